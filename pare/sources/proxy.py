"""What the source proxies made by formula share: one raw file, its checks, its splits."""

import zipfile
import zlib
from abc import abstractmethod
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np

from pare.errors import DataError, RequestError
from pare.method.criterion import cross_entropy
from pare.tasks.task import Metric, Progress, Raw, Recipe, Split, Task

_CHUNK = 256
_HELD_OUT = 8  # one part in so many is for validation, another for test


def error(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Samples (n, classes) whose largest output is not the target's (n,), in percent."""
    return float(100 * np.mean(predictions.argmax(axis=1) != targets))


class Proxy(Task):
    """A classification task by formula: `<name>.npz` holds `x` (n, *shape) and `y` (n,) int64, row i instance i."""

    kind = "classification"
    synthetic = "generated"
    where = "made by the package itself"
    metric = Metric("error", "minimize", error, unit="%")
    criterion = staticmethod(cross_entropy)
    paper: ClassVar = {}
    laptop: ClassVar = {}
    stored: ClassVar[type[np.generic]]
    """The number type of `x` in the file."""

    @abstractmethod
    def make(self, classes: np.ndarray, instances: np.ndarray, recipe: Recipe) -> np.ndarray:
        """Samples (n, *shape) of the stored type, each determined by the recipe's seed, its class and its instance."""

    def synthesise(self, folder: Path, recipe: Recipe, progress: Progress) -> None:
        n = int(recipe["samples"])
        instances = np.arange(n)
        y = instances % self.outputs[0]  # every stretch of the file holds all classes alike
        x = np.empty((n, *self.shape), self.stored)
        for start in range(0, n, _CHUNK):
            part = slice(start, start + _CHUNK)
            x[part] = self.make(y[part], instances[part], recipe)
            progress(min(start + _CHUNK, n), n)
        np.savez(folder / self.files[0], x=x, y=y)

    def read(self, folder: Path, progress: Progress) -> Raw:
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

    def _load(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        try:
            with np.load(path, allow_pickle=False) as file:
                x, y = file["x"], file["y"]
        except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as problem:
            reason = "not there" if isinstance(problem, FileNotFoundError) else "not readable"
            raise DataError(f"{path} is {reason}: expected an .npz file of arrays x and y, {self.where}") from problem
        classes = self.outputs[0]
        if x.ndim != 1 + len(self.shape) or x.shape[1:] != self.shape or x.dtype != self.stored:
            wanted = f"{np.dtype(self.stored)} (n, {', '.join(map(str, self.shape))})"
            raise DataError(f"{path}: x is {x.dtype} {x.shape}, expected {wanted}")
        if y.shape != x.shape[:1] or y.dtype != np.int64 or len(y) < _HELD_OUT or y.min() < 0 or y.max() >= classes:
            wanted = f"int64 ({len(x)},), {_HELD_OUT} or more, of classes 0 to {classes - 1}"
            raise DataError(f"{path}: y is {y.dtype} {y.shape}, expected {wanted}")
        return x, y
