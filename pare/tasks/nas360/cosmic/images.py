"""The raw images of deepCR's data for ACS/WFC, read from their archives."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pare.data import checks, parallel
from pare.data.official.archives import Archive
from pare.data.official.pickles import load_npy
from pare.data.task import Split
from pare.errors import DataError

SIDE, CROP = 128, slice(64, 192)
"""Pixels a side of an input, and which of an image's 256 it is cut from."""

FILTER = "f435w"
_FIELDS = """10182_pb 10182_pd 10190_13 10190_28 10260_5 10260_7 10342_3 10407_3 10584_13 10760_2 10760_4 12058_1
12058_12 12058_16 12058_6 12513_2 12513_3 13057_1 13364_95 13691_11 13737_2 13737_3 13804_6 14343_1 14704_1"""
GALAXIES = tuple(sorted(_FIELDS.split()))
"""Programme and visit of the fields that the benchmark takes; the others are globular clusters or nearly empty."""

_CHUNK = 8


class _Part(NamedTuple):
    """Some images in a row: of each the path and content of its file, and its exposure's sky; their visits' numbers."""

    images: list[tuple[Path, bytes, float]]
    group: np.ndarray


class Images:
    """The images of galaxies in an archive: `npy_<part>/f435w/<programme>/<visit>/<exposure>_….npy`, visit by visit.

    `visits` names the visit of each; beside a visit's images lies the sky level of its exposures, sky.npy.

    Raises:
        DataError: the archive is missing or damaged, or holds no such image.
    """

    def __init__(self, folder: Path, name: str, part: str) -> None:
        top = f"npy_{part}/{FILTER}/"
        self.archive = Archive(folder, name, top)
        found: list[tuple[str, str]] = []
        skies: set[str] = set()
        for path in self.archive.names:
            visit, _, file = path.removeprefix(top).replace("/", "_", 1).partition("/")
            if path.startswith(top) and visit in GALAXIES and file.endswith(".npy"):
                if file == "sky.npy":
                    skies.add(visit)
                else:
                    found.append((visit, path))
        if not found:
            raise DataError(f"{self.archive.path} holds no image of the fields of galaxies below {top}")
        self.visits, self._names = (list(column) for column in zip(*sorted(found), strict=True))
        self._skies = {visit: self._array(f"{top}{visit.replace('_', '/')}/sky.npy").reshape(-1) for visit in skies}

    def __len__(self) -> int:
        return len(self._names)

    def chunks(self, first: int, last: int, report: Callable[[int], None]) -> Iterator[Split]:
        """The images from the first to before the last, in splits grouped by visit; how many are done is reported.

        x (n, 129, 128) float32 in electrons, its last row the exposure's sky; y (n, 2, 128, 128) float32 of zeros and
        ones, the mask of cosmic rays and the map of pixels to ignore.
        """
        groups = np.searchsorted(GALAXIES, self.visits)

        def parts() -> Iterator[_Part]:
            for start in range(first, last, _CHUNK):
                rows = slice(start, min(start + _CHUNK, last))
                names = zip(self.visits[rows], self._names[rows], strict=True)
                images = [(self.archive.path / n, self.archive.read(n), self._sky(v, n)) for v, n in names]
                yield _Part(images, groups[rows])

        for split in parallel.ordered(_split, parts()):
            yield split
            first += len(split)
            report(first)

    def _sky(self, visit: str, name: str) -> float:
        skies = self._skies.get(visit)
        if skies is None:
            return 0.0  # as published
        exposure = Path(name).name.partition("_")[0]
        if not exposure.isdecimal() or not 1 <= int(exposure) <= len(skies):
            raise DataError(f"{self.archive.path / name}: its visit's sky.npy has no exposure {exposure!r}")
        return float(skies[int(exposure) - 1])

    def _array(self, name: str) -> np.ndarray:
        return load_npy(self.archive.path / name, lambda _: io.BytesIO(self.archive.read(name)))


def _split(part: _Part) -> Split:
    x, y = zip(*(_sample(*image) for image in part.images), strict=True)
    return Split(np.stack(x), np.stack(y), part.group)


def _sample(path: Path, content: bytes, sky: float) -> tuple[np.ndarray, np.ndarray]:
    planes = load_npy(path, lambda _: io.BytesIO(content))
    if planes.ndim != 3 or planes.shape[0] not in (2, 3) or min(planes.shape[1:]) < CROP.stop:
        raise DataError(f"{path} has shape {planes.shape}, expected (3, 256, 256)")
    image, mask, *ignore = planes[:, CROP, CROP].astype(np.float32)
    x = np.concatenate([image, np.full((1, SIDE), sky, np.float32)])
    if not checks.is_sound(x):
        raise DataError(f"{path} or its sky.npy does not hold finite numbers only")
    return x, np.stack([mask > 0, ignore[0] > 0 if ignore else np.zeros_like(mask)]).astype(np.float32)
