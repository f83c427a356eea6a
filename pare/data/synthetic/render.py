"""Pictures of fractals: one set of points, many looks."""

import math
from collections.abc import Iterator

import numpy as np

from pare.data.synthetic.ifs import histogram, rotation

_UNIFORMS = 20  # random numbers an instance's look is made from, besides the noise
_WAVES = 4  # cosines per axis in a background


def render(
    sets: np.ndarray, classes: np.ndarray, instances: np.ndarray, *, size: int = 64, seed: int = 0, hardness: float = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of fractals from their point `sets`: (n, 3, size, size) float32 in [0, 1], and (n, size, size) bool.

    Picture k shows class `classes[k]`; its look follows from `(seed, classes[k], instances[k])` alone, whatever else is
    in the batch. The mask is true where a point of the fractal fell. `hardness` in [0, 1] scales every disturbance: at
    0 a fractal is upright, white on black.
    """
    rngs = [np.random.default_rng((seed, c, i)) for c, i in zip(classes.tolist(), instances.tolist(), strict=True)]
    u = iter(np.stack([rng.random(_UNIFORMS, dtype=np.float32) for rng in rngs]).T)
    waves = np.stack([rng.standard_normal((3, _WAVES, _WAVES), dtype=np.float32) for rng in rngs])
    noise = np.stack([rng.standard_normal((3, size, size), dtype=np.float32) for rng in rngs])

    variant = (next(u) * sets.shape[1]).astype(np.intp)
    counts = histogram(_place(sets[classes, variant], u, hardness), size)
    mask = counts > 0
    density = _soften(np.log1p(counts), hardness / 4 * next(u))
    density /= density.max(axis=(1, 2), keepdims=True)
    density **= np.exp(hardness / 2 * (2 * next(u) - 1))[:, None, None]

    hue = next(u)
    sparse = _colour(hue, hardness * next(u), 1 - 0.4 * hardness * next(u))
    dense = _colour(hue + 0.6 * hardness * (next(u) - 0.5), hardness * next(u), 1 - 0.3 * hardness * next(u))
    shade = density[:, None]
    image = np.multiply(dense - sparse, shade) + sparse
    ground = _background(waves, size, 0.3 * hardness * next(u), 0.12 * hardness * next(u))
    cover = 0.3 * np.minimum(shade * 4, 1) + 0.7 * shade  # even a single point stands out from the ground
    image -= ground
    image *= cover
    image += ground
    noise *= (0.1 * hardness * next(u))[:, None, None, None]
    image += noise
    inverted = next(u) < hardness / 2
    image[inverted] = 1 - image[inverted]
    return image.clip(0, 1, out=image), mask


def _place(clouds: np.ndarray, u: Iterator[np.ndarray], hardness: float) -> np.ndarray:
    """Point sets (n, points, 2) turned, scaled, stretched, mirrored and shifted, in units of the picture's width."""
    scale = 0.85 + 0.55 * hardness * (next(u) - 0.5)
    stretch = np.exp(0.3 * hardness * (2 * next(u) - 1))
    mirror = np.where(next(u) < hardness / 2, -1, 1)
    turn = rotation(math.pi * hardness * (2 * next(u) - 1))
    axis = rotation(math.pi * next(u))
    diagonal = np.stack((scale * stretch * mirror, scale / stretch), axis=-1)[:, None]
    matrix = (turn @ ((axis * diagonal) @ axis.transpose(0, 2, 1))).astype(np.float32)
    shift = 0.25 * hardness * (2 * np.stack((next(u), next(u)), axis=-1) - 1)
    return np.asarray(clouds @ (matrix / 2).transpose(0, 2, 1) + (shift[:, None] + 1) / 2, dtype=np.float32)


def _soften(density: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """`density` (n, H, W) blurred by the kernel (w, 1 - 2w, w) along both axes, w = `weight` (n,)."""
    for axis in (1, 2):
        around = np.zeros_like(density)
        near, far = (slice(None),) * axis + (slice(1, None),), (slice(None),) * axis + (slice(None, -1),)
        around[near] += density[far]
        around[far] += density[near]
        around -= 2 * density
        density = density + weight[:, None, None] * around
    return density


def _background(waves: np.ndarray, size: int, level: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Low cosines with random weights `waves` (n, 3, k, k) about a grey `level` (n,): (n, 3, size, size)."""
    order = np.arange(waves.shape[-1])
    cosines = np.cos(np.pi * order[:, None] * (np.arange(size) + 0.5) / size) / (1 + order[:, None])
    cosines = cosines.astype(np.float32)
    ground = cosines.T @ (waves * contrast[:, None, None, None]) @ cosines
    ground += level[:, None, None, None]
    return np.asarray(ground.clip(0, 1, out=ground))


def _colour(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """RGB (n, 3, 1, 1) of hue (in turns), saturation and value, each (n,)."""
    k = (np.array([[5], [3], [1]], dtype=np.float32) + 6 * hue) % 6
    ramp = np.minimum(k, 4 - k).clip(0, 1)
    return np.asarray((value - value * saturation * ramp).T[:, :, None, None])
