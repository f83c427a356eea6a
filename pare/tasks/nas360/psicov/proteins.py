"""Proteins of PSICOV and DeepCov: what is predicted of their sequences, and the distances of their residues."""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pare.data import checks, parallel
from pare.data.official.archives import Archive
from pare.data.official.pickles import load_arrays, load_npy
from pare.data.task import Split
from pare.errors import DataError

SIDE = 512
"""Residues a side of a map, with what is padded."""

PAD, LONGEST = 5, SIDE - 10
"""Residues padded before the first one, and after the last one at least."""

OUTSIDE = 100.0
"""Å, the distance that stands where there is no residue, as published."""

MAPS = ("ccmpred", "freecon", "potential")
PROFILES = 3 + 22 + 1 + 1
"""Numbers per residue: secondary structure, sequence profile, solvent accessibility, entropy."""

CHANNELS = 2 * PROFILES + len(MAPS)
ROWS = len(MAPS) * SIDE + PROFILES + 1
"""Rows of 512 that a protein is kept in: its maps, its profiles, and where there are residues at all."""

_CHUNK = 2


class _Part(NamedTuple):
    """Some proteins in a row: of each the paths and contents of features and distances; their numbers."""

    proteins: list[tuple[Path, bytes, Path, bytes]]
    group: np.ndarray


class Proteins:
    """The archive `name` in `folder`, packed or not: `<set>.lst` lists ids, files lie in `<set>/features|distance/`.

    Raises:
        DataError: it is missing or damaged.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.archive = Archive(folder, name, "deepcov.lst")

    def ids(self, group: str) -> list[str]:
        """The proteins of a set, `deepcov` or `psicov`, in the order of its list."""
        lines = self.archive.read(f"{group}.lst").decode("latin1").splitlines()
        return [line.split()[0] for line in lines if line.strip()]

    def chunks(self, group: str, ids: Sequence[str], first: int, report: Callable[[int], None]) -> Iterator[Split]:
        """Proteins as x (n, 1564, 512) float16 and distances y (n, 512, 512) float32 in Å; how many is reported."""

        def parts() -> Iterator[_Part]:
            for start in range(0, len(ids), _CHUNK):
                own = ids[start : start + _CHUNK]
                files = ((f"{group}/features/{each}.pkl", f"{group}/distance/{each}-cb.npy") for each in own)
                proteins = [(*self._file(features), *self._file(distance)) for features, distance in files]
                yield _Part(proteins, first + start + np.arange(len(own)))

        done = 0
        for split in parallel.ordered(_split, parts()):
            yield split
            done += len(split)
            report(done)

    def _file(self, name: str) -> tuple[Path, bytes]:
        return self.archive.path / name, self.archive.read(name)


def _split(part: _Part) -> Split:
    x, y = zip(*(_protein(*files) for files in part.proteins), strict=True)
    return Split(np.stack(x), np.stack(y), part.group)


def _protein(features: Path, content: bytes, distances: Path, held: bytes) -> tuple[np.ndarray, np.ndarray]:
    maps, profiles = _features(features, content)
    distance = _distance(distances, held, len(maps[0]))
    x = place(maps[None, ..., :LONGEST, :LONGEST], profiles[None, :, :LONGEST])[0]
    y = np.full((SIDE, SIDE), OUTSIDE, np.float32)
    end = PAD + min(len(distance), LONGEST)
    y[PAD:end, PAD:end] = distance[:LONGEST, :LONGEST]
    return x, y


def _features(path: Path, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Maps (3, l, l) and profiles (27, l) of a protein of l residues."""
    record = load_arrays(path, lambda _: io.BytesIO(content))
    try:
        length = len(record["seq"])
        maps = np.stack([_checked(record[key], (length, length)) for key in MAPS])
        profiles = np.concatenate(
            [
                _checked(record["ss"], (3, length)),
                _checked(record["pssm"], (length, 22)).T,
                _checked(record["sa"], (length,))[None],
                _checked(record["entropy"], (length,))[None],
            ]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: expected a protein's seq, ss, pssm, sa, entropy and maps ({error})") from None
    return maps, profiles


def _distance(path: Path, content: bytes, length: int) -> np.ndarray:
    """Distances (l, l) in Å of a protein's β-carbons, at least 1, on the diagonal those of the neighbours."""
    try:
        _, _, distance = load_npy(path, lambda _: io.BytesIO(content))
        distance = np.maximum(_checked(distance, (length, length)), 1)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: expected length, sequence and map of {length} residues ({error})") from None
    beside = np.diagonal(distance, 1)
    np.fill_diagonal(distance, (np.append(beside[0], beside) + np.append(beside, beside[-1])) / 2)
    return distance


def _checked(array: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(array, dtype=np.float32)
    if array.shape != shape or not checks.is_sound(array):
        raise ValueError(f"one is {array.shape}, expected {shape} finite numbers")
    return array


def place(maps: np.ndarray, profiles: np.ndarray) -> np.ndarray:
    """Rows (n, 1564, 512) float16 of maps (n, 3, l, l) and profiles (n, 27, l), l being 502 at most."""
    n, length = len(maps), maps.shape[-1]
    inside = slice(PAD, PAD + length)
    rows = np.zeros((n, ROWS, SIDE), np.float16)
    rows[:, : len(MAPS) * SIDE].reshape(n, len(MAPS), SIDE, SIDE)[..., inside, inside] = maps
    rows[:, len(MAPS) * SIDE : -1, inside] = profiles
    rows[:, -1, inside] = 1
    return rows
