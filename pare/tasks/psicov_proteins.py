"""Proteins of PSICOV and DeepCov: what is predicted of their sequences, and the distances of their residues."""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pare.errors import DataError
from pare.tasks.archives import Archive
from pare.tasks.pickles import load_arrays, load_npy
from pare.tasks.task import Split

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

_CHUNK = 8


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
        for start in range(0, len(ids), _CHUNK):
            own = ids[start : start + _CHUNK]
            x, y = zip(*(self._protein(group, each) for each in own), strict=True)
            yield Split(np.stack(x), np.stack(y), first + start + np.arange(len(own)))
            report(start + len(own))

    def _protein(self, group: str, id_: str) -> tuple[np.ndarray, np.ndarray]:
        maps, profiles = self._features(f"{group}/features/{id_}.pkl")
        distance = self._distance(f"{group}/distance/{id_}-cb.npy", len(maps[0]))
        x = place(maps[None, ..., :LONGEST, :LONGEST], profiles[None, :, :LONGEST])[0]
        y = np.full((SIDE, SIDE), OUTSIDE, np.float32)
        end = PAD + min(len(distance), LONGEST)
        y[PAD:end, PAD:end] = distance[:LONGEST, :LONGEST]
        return x, y

    def _features(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Maps (3, l, l) and profiles (27, l) of a protein of l residues."""
        path = self.archive.path / name
        content = load_arrays(path, lambda _: io.BytesIO(self.archive.read(name)))
        try:
            length = len(content["seq"])
            maps = np.stack([self._checked(content[key], (length, length)) for key in MAPS])
            profiles = np.concatenate(
                [
                    self._checked(content["ss"], (3, length)),
                    self._checked(content["pssm"], (length, 22)).T,
                    self._checked(content["sa"], (length,))[None],
                    self._checked(content["entropy"], (length,))[None],
                ]
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: expected a protein's seq, ss, pssm, sa, entropy and maps ({error})") from None
        return maps, profiles

    def _distance(self, name: str, length: int) -> np.ndarray:
        """Distances (l, l) in Å of a protein's β-carbons, at least 1, on the diagonal those of the neighbours."""
        path = self.archive.path / name
        try:
            _, _, distance = load_npy(path, lambda _: io.BytesIO(self.archive.read(name)))
            distance = np.maximum(self._checked(distance, (length, length)), 1)
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}: expected length, sequence and map of {length} residues ({error})") from None
        beside = np.diagonal(distance, 1)
        np.fill_diagonal(distance, (np.append(beside[0], beside) + np.append(beside, beside[-1])) / 2)
        return distance

    @staticmethod
    def _checked(array: Any, shape: tuple[int, ...]) -> np.ndarray:
        array = np.asarray(array, dtype=np.float32)
        if array.shape != shape or not np.isfinite(array).all():
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
