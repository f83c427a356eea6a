"""Images of fields of galaxies struck by cosmic rays, simulated, with the truth that no measured image has.

What tells a ray from a star or a galaxy is as in the telescope: light is blurred by the optics, a ray is not. Rays are
more and brighter than in a measured image of half an hour, for a small model to find them in few images.
"""

import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

SIDE = 256
_BLUR = 1.1  # deviation of the optics' blur in pixels
_READOUT = 5.0  # electrons
_FULL = 1_500.0  # electrons, above which a pixel saturates and is ignored
_EXPOSURES = 4


def write(
    path: Path, top: str, visits: Sequence[str], count: int, seed: Sequence[int], report: Callable[[int], None]
) -> None:
    """Write `count` images to a tar as deepCR lays them out below `top`, spread evenly over the visits.

    A visit's exposures show the same field under another sky each; each is named `<exposure>_<tile>.npy`, from 1.
    """
    with tarfile.open(path, "w") as tar:
        for number, images in enumerate(np.array_split(np.arange(count), len(visits))):
            folder = f"{top}/{visits[number].replace('_', '/')}"
            rng = np.random.default_rng((*seed, number))
            skies, light = rng.uniform(20, 150, _EXPOSURES), np.zeros(0)
            _add(tar, f"{folder}/sky.npy", skies)
            for index in range(len(images)):
                tile, exposure = divmod(index, _EXPOSURES)
                light = _light(rng) if exposure == 0 else light
                _add(tar, f"{folder}/{exposure + 1}_{tile:03d}.npy", _exposed(light + skies[exposure], rng))
                report(images[index] + 1)


def _add(tar: tarfile.TarFile, name: str, array: np.ndarray) -> None:
    content = io.BytesIO()
    np.save(content, array)
    member = tarfile.TarInfo(name)
    member.size = content.tell()
    content.seek(0)
    tar.addfile(member, content)


def _light(rng: np.random.Generator) -> np.ndarray:
    """Stars and galaxies through the optics (256, 256) in electrons, without noise."""
    sharp = np.zeros((SIDE, SIDE))
    row, column = rng.integers(0, SIDE, (2, 60))
    sharp[row, column] = 300 * np.minimum(1 + rng.pareto(1.0, 60), 30)
    rows, columns = np.ogrid[:SIDE, :SIDE]
    for _ in range(12):
        y, x, angle = rng.uniform(0, SIDE), rng.uniform(0, SIDE), rng.uniform(0, np.pi)
        along = (rows - y) * np.cos(angle) + (columns - x) * np.sin(angle)
        across = (columns - x) * np.cos(angle) - (rows - y) * np.sin(angle)
        radius = np.hypot(along, across / rng.uniform(0.3, 1.0)) / rng.uniform(2, 8)
        sharp += rng.uniform(20, 300) * np.exp(-radius)
    return gaussian_filter(sharp, _BLUR)


def _exposed(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Image, mask of cosmic rays and map of pixels to ignore (3, 256, 256) float32 of an exposure of the light."""
    rays = _rays(rng)
    image = rng.poisson(np.minimum(light, 1e6)) + rays + rng.normal(0, _READOUT, light.shape)
    ignore = image > _FULL
    ignore[:, rng.integers(0, SIDE)] = True  # a dead column
    # A ray counts where it stands out of the noise.
    mask = rays > 3 * np.sqrt(light + _READOUT**2)
    return np.stack([np.minimum(image, _FULL), mask, ignore]).astype(np.float32)


def _rays(rng: np.random.Generator) -> np.ndarray:
    """Straight tracks of some fifty particles (256, 256) in electrons, three pixels wide and sharp at their edges."""
    rays = np.zeros((SIDE, SIDE))
    for _ in range(rng.poisson(50)):
        length, angle = 4 + rng.gamma(2, 10), rng.uniform(0, 2 * np.pi)
        steps = np.arange(0, length, 0.5)
        row = rng.uniform(0, SIDE) + steps * np.sin(angle)
        column = rng.uniform(0, SIDE) + steps * np.cos(angle)
        charge = 50 + rng.gamma(2, 100)
        for y, x in np.ndindex(3, 3):
            rows, columns = (row + y).astype(int), (column + x).astype(int)
            inside = (rows >= 0) & (rows < SIDE) & (columns >= 0) & (columns < SIDE)
            rays[rows[inside], columns[inside]] = charge
    return rays
