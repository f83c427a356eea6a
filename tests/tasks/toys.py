"""Tasks small enough to watch the store handle them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from pare.data.task import SPLITS, Metric, ProgressCallback, Raw, Recipe, Split, Task


def _accuracy(predictions, targets):
    return float((predictions.argmax(1) == targets).mean())


class Toy(Task):
    """Three classes of four numbers; counts what is asked of it."""

    name = "toy"
    kind = "classification"
    version = 1
    shape = (1, 4)
    output_shape: ClassVar[tuple[int, ...]] = (3,)
    metric = Metric("accuracy", "maximize", _accuracy)
    files = ("a.bin", "b.bin")
    homepage = "the toy shop"
    synthetic = "simulated"
    recipes: ClassVar[Mapping[str, Recipe]] = {"laptop": {"seed": 0}}

    def __init__(self) -> None:
        self.synthesised = self.reads = 0

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        self.synthesised += 1
        for done, name in enumerate(self.files, start=1):
            (folder / name).write_text(str(recipe["seed"]))
            progress(done, len(self.files))

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        self.reads += 1
        rng = np.random.default_rng(len((folder / "b.bin").read_text()))
        splits = {name: self.split(rng, n) for name, n in zip(SPLITS, (7, 3, 2), strict=True)}
        progress(1, 1)
        return Raw(**splits, statistics={"input_mean": np.full((1, 4), 0.5, np.float32)})

    def split(self, rng: np.random.Generator, n: int) -> Split:
        return Split(rng.standard_normal((n, 1, 4), dtype=np.float32), rng.integers(0, 3, n), np.arange(n))

    def encode(self, raw: np.ndarray) -> np.ndarray:
        return raw


class DenseToy(Toy):
    kind = "dense"  # type: ignore[assignment]
    output_shape = (2, 5)

    def split(self, rng: np.random.Generator, n: int) -> Split:
        split = super().split(rng, n)
        return replace(split, y=rng.standard_normal((n, 2, 5), dtype=np.float32))


class TagToy(Toy):
    kind = "multilabel"  # type: ignore[assignment]

    def split(self, rng: np.random.Generator, n: int) -> Split:
        split = super().split(rng, n)
        return replace(split, y=rng.integers(0, 2, (n, 3)).astype(np.float32))
