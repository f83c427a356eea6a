"""A data set of the UCR archive as a task.

The official test file is the test split. A fifth of each class of the official training file, drawn with a fixed seed,
is for validation: at least one series of each class that has two or more; all classes stay in training. Every series is
z-normalised, as for the archive's published figures: the archive has normalised most sets itself, and this changes
nothing there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pare.data import checks
from pare.data.task import Baseline, ProgressCallback, Published, Raw, Recipe, Split, Task
from pare.errors import DataError
from pare.losses import cross_entropy
from pare.tasks.own import settings
from pare.tasks.own.metrics import METRICS
from pare.tasks.ucr import baselines, readers
from pare.tasks.ucr.sets import HOMEPAGE, SeriesSet
from pare.tasks.ucr.sets import named as set_named

_SHARE = 0.2
"""Share of each class of the training file that is for validation."""


class SeriesTask(Task):
    """The task of a data set of the archive."""

    def __init__(self, of: SeriesSet) -> None:
        self.of = of
        patch = settings.patch(of.length)
        shape = (1, -(-of.length // patch) * patch)
        presets = settings.short(round((1 - _SHARE) * of.train), shape, "classification")
        vars(self).update(
            name=of.name,
            title=f"{of.title} (UCR archive)",
            kind="classification",
            version=1,
            shape=shape,
            output_shape=(of.classes,),
            metric=checks.ERROR,
            extra_metrics=(METRICS["macro-f1"],),
            criterion=cross_entropy,
            files=of.files,
            homepage=f"{HOMEPAGE}, or let `pare ucr` find or --download it",
            synthetic="simulated",
            recipes={},
            # Ends of different lengths were filled with noise there, which cannot be had again.
            published=() if of.varies else (Published(baselines.OFFICIAL, of.error, _SOURCE, verified=True),),
            paper=presets["paper"],
            laptop=presets["laptop"],
        )

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:  # noqa: ARG002
        """Refuse: nothing stands in for the archive."""
        raise DataError(f"{folder} lacks {self.files[0]}: get it from {HOMEPAGE}, or by --download of sweeps/ucr.py")

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read the official files and carve validation from train."""
        (x, y), (test_x, test_y) = readers.read(folder, self.of)
        held = _held_out(y)
        if not held.any():
            raise DataError(
                f"{folder / self.files[0]}: every class has one training series, so that none can be held out for "
                f"validation; leave {self.name} out"
            )
        progress(1, 1)
        # A series' group is its row in the files, by which the official order can be had again.
        rows, test_rows = np.arange(len(x)), len(x) + np.arange(len(test_x))
        train, val = (Split(self._normalised(x[of]), y[of], rows[of]) for of in (~held, held))
        return Raw(train, val, Split(self._normalised(test_x), test_y, test_rows))

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Encode series (n, length) or (n, 1, length), NaN where a value is missing or a series is over."""
        raw = known = np.asarray(raw)
        if raw.ndim and raw.dtype.kind == "f":
            gaps = np.isnan(raw)
            # A series without any value stays NaN, and is refused with what else is not finite.
            known = np.where(gaps & ~gaps.all(axis=-1, keepdims=True), 0, raw)
        shapes = (self.of.length,), (1, self.of.length)
        expected = f"series (n, {self.of.length}) with a value each, NaN where one is missing"
        x = checks.batch(known, shapes, expected).astype(np.float64)
        x[np.isnan(raw.astype(np.float64))] = np.nan
        return self._normalised(x.reshape(-1, self.of.length))

    def baselines(self, train: Split, val: Split | None) -> Iterator[Baseline]:
        """Fit 1-NN and MiniRocket on the training split, and 1-NN on the official training file, as published."""
        yield from baselines.fitted(train, val, self.of.length)

    def _normalised(self, x: np.ndarray) -> np.ndarray:
        """Series (n, length) with NaN → (n, *shape) float32 of mean 0 and deviation 1, zeros after their ends.

        Missing values are interpolated; at the ends, where all lengths are the same, the nearest value is taken.
        """
        x = x.copy()
        places = np.arange(x.shape[1])
        padded = np.zeros((len(x), *self.shape), dtype=np.float32)
        for series, row in zip(x, padded[:, 0], strict=True):
            known = np.flatnonzero(~np.isnan(series))
            end = known[-1] + 1 if self.of.varies else len(series)
            row[:end] = checks.standardised(np.interp(places[:end], known, series[known]))
        return padded


def _held_out(y: np.ndarray) -> np.ndarray:
    """Return which training series (n,) are for validation."""
    rng = np.random.default_rng(0)
    held = np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        if len(members) > 1:
            held[members[: max(1, round(_SHARE * len(members)))]] = True
    return held


_SOURCE = "UCR archive 2018, its DataSummary.csv"


@functools.cache
def named(name: str) -> SeriesTask:
    """Return the task of a set by its name.

    Raises:
        RequestError: the archive has no such set.
    """
    return SeriesTask(set_named(name))
