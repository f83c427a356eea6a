"""Pictures on the sphere: what the tool of Cohen et al. 2018 (Spherical CNNs, ICLR) makes of flat ones.

The sphere's grid is turned at random and each of its points sees the picture, which lies on the plane below the sphere,
along a ray from the north pole: a stereographic projection that covers the southern hemisphere.
"""

import numpy as np
from scipy.spatial.transform import Rotation

BANDWIDTH = 30
"""The bandwidth of Driscoll and Healy's grid: twice as many points from pole to pole and around."""

_HALF = 1.5
"""Half of a picture's side on the plane, in radii of the sphere, whose equator falls on a circle of radius 2."""

_ABOVE = 1e-3
"""The height above the north pole at which rays start: the pole itself would see the plane at infinity."""

_CHUNK = 250


def grid(bandwidth: int = BANDWIDTH) -> np.ndarray:
    """Points of the grid on the unit sphere (2b, 2b, 3), polar angle (2k + 1)π/4b by azimuth πj/b."""
    polar = (2 * np.arange(2 * bandwidth) + 1)[:, None] * np.pi / (4 * bandwidth)
    azimuth = np.arange(2 * bandwidth) * np.pi / bandwidth
    return np.stack(
        np.broadcast_arrays(np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)), axis=-1
    )


def project(images: np.ndarray, turns: Rotation) -> np.ndarray:
    """Pictures (n, 3, s, s) seen from the sphere under the rotations `turns`, one or n: (n, 3, 2b, 2b) uint8.

    Channels are stretched to the full range of bytes, as published; what a picture does not cover is 0.
    """
    matrices = np.broadcast_to(turns.as_matrix(), (len(images), 3, 3))
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(images), _CHUNK)]
    return np.concatenate([_project(images[chunk], matrices[chunk]) for chunk in chunks])


def _project(images: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    x, y, z = np.moveaxis(np.einsum("nij,abj->nabi", matrices, grid()), -1, 0)
    stretch = (2 + _ABOVE) / (1 + _ABOVE - z)
    size = images.shape[-1]
    row, column = ((stretch * side / _HALF + 1) * size / 2 - 0.5 for side in (x, y))
    seen = _sample(images, row, column)
    low, high = (f(axis=(2, 3), keepdims=True) for f in (seen.min, seen.max))
    return np.asarray((255 * (seen - low) / np.maximum(high - low, 1e-6)).astype(np.uint8))


def _sample(images: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Bilinear values (n, 3, h, w) at positions (n, h, w) in pixels, 0 beyond the border."""
    size = images.shape[-1]
    dark = np.pad(images.astype(np.float32), [(0, 0), (0, 0), (1, 1), (1, 1)]).transpose(0, 2, 3, 1)
    row, column = (side.clip(-1, size) + 1 for side in (row, column))
    top, left = (np.minimum(side.astype(int), size) for side in (row, column))
    down, right = (row - top)[..., None], (column - left)[..., None]
    which = np.arange(len(images))[:, None, None]
    upper = (1 - right) * dark[which, top, left] + right * dark[which, top, left + 1]
    lower = (1 - right) * dark[which, top + 1, left] + right * dark[which, top + 1, left + 1]
    return np.asarray(((1 - down) * upper + down * lower).transpose(0, 3, 1, 2))
