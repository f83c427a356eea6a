"""The base of source proxies made by formula: one raw file, its checks, its splits."""

from __future__ import annotations

import zipfile
import zlib
from abc import abstractmethod
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pare.data import checks
from pare.data.task import Kind, ProgressCallback, Raw, Recipe, Split, Task
from pare.errors import DataError, RequestError
from pare.losses import cross_entropy

if TYPE_CHECKING:
    from torch import Tensor

_CHUNK = 256
_HELD_OUT = 8  # one part in so many is for validation, another for test


class Proxy(Task):
    """A task by formula: `<name>.npz` holds `x` (n, *shape) and `y`, row i instance i.

    `y` (n,) int64 are classes, or, of a dense task, masks (n, *output_shape) uint8 of 0 and 1.
    """

    kind: ClassVar[Kind] = "classification"
    synthetic = "generated"
    homepage = "made by the package itself"
    metric = checks.ERROR
    criterion: ClassVar[staticmethod[[Tensor, Tensor], Tensor]] = staticmethod(cross_entropy)
    paper: ClassVar = {}
    laptop: ClassVar = {}
    stored: ClassVar[type[np.generic]]
    """The number type of `x` in the file."""

    @abstractmethod
    def make(self, classes: np.ndarray, instances: np.ndarray, recipe: Recipe) -> np.ndarray:
        """Samples (n, *shape) of the stored type, each determined by the recipe's seed, its class and its instance."""

    def draw(self, instances: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
        """Rows of `x` and `y`: every stretch of the file holds all classes alike."""
        classes = instances % self.output_shape[0]
        return self.make(classes, instances, recipe), classes

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        n = int(recipe["samples"])
        instances = np.arange(n)
        x = np.empty((n, *self.shape), self.stored)
        y = np.empty((n, *self._target.shape), self._target.dtype)
        for start in range(0, n, _CHUNK):
            part = slice(start, start + _CHUNK)
            x[part], y[part] = self.draw(instances[part], recipe)
            progress(min(start + _CHUNK, n), n)
        np.savez(folder / self.files[0], x=x, y=y)

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        stored, y = self._load(folder / self.files[0])
        progress(1, 2)
        n, held_out = len(y), len(y) // _HELD_OUT
        x, group = self.encode(stored), np.arange(n)
        edges = (0, n - 2 * held_out, n - held_out, n)
        train, val, test = (Split(x[a:b], y[a:b], group[a:b]) for a, b in pairwise(edges))
        progress(2, 2)
        return Raw(train, val, test, self.statistics(train.x))

    def encode(self, raw: np.ndarray) -> np.ndarray:
        if raw.shape[1:] != self.shape or raw.dtype.kind not in "fiu":
            expected = f"(n, {', '.join(map(str, self.shape))})"
            raise RequestError(f"an array of shape {raw.shape} and type {raw.dtype}: give numbers of shape {expected}")
        x = raw.astype(np.float32)
        if not np.isfinite(x).all():
            raise RequestError("the samples hold NaN or infinite values: give finite numbers")
        return x

    def statistics(self, x: np.ndarray) -> dict[str, np.ndarray]:  # noqa: ARG002
        """The statistics of training inputs; none where samples are standardised one by one."""
        return {}

    @property
    def _target(self) -> np.ndarray:
        """The like of a row of `y`, holding the largest that it may hold."""
        if self.kind == "dense":
            return np.ones(self.output_shape, np.uint8)
        return np.array(self.output_shape[0] - 1, np.int64)

    def _load(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        try:
            with np.load(path, allow_pickle=False) as file:
                x, y = file["x"], file["y"]
        except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as problem:
            reason = "not there" if isinstance(problem, FileNotFoundError) else "not readable"
            raise DataError(
                f"{path} is {reason}: expected an .npz file of arrays x and y, {self.homepage}"
            ) from problem
        target, largest = self._target, int(self._target.max())
        if x.ndim != 1 + len(self.shape) or x.shape[1:] != self.shape or x.dtype != self.stored:
            wanted = f"{np.dtype(self.stored)} (n, {', '.join(map(str, self.shape))})"
            raise DataError(f"{path}: x is {x.dtype} {x.shape}, expected {wanted}")
        shape = (len(x), *target.shape)
        if y.shape != shape or y.dtype != target.dtype or len(y) < _HELD_OUT or y.min() < 0 or y.max() > largest:
            wanted = f"{target.dtype} {shape}, {_HELD_OUT} or more, of numbers 0 to {largest}"
            raise DataError(f"{path}: y is {y.dtype} {y.shape}, expected {wanted}")
        return x, y
