"""The base of PDEBench's tasks (Takamoto et al., arXiv 2210.07182): the first frame in, a late one out.

That is how ORCA and, through it, PaRe pose them. PDEBench's own models see ten frames and are rolled out from there, so
that their figures are of another task; where the one-frame form leaves nothing to learn, `baseline` shows it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.interpolate import make_interp_spline

from pare.data import checks, parallel
from pare.data.task import Baseline, Download, Metric, ProgressCallback, Published, Raw, Recipe, Split, Task
from pare.errors import RequestError
from pare.losses import relative_l2
from pare.tasks.pdebench.hdf5 import FrameLayout, Stacked, fits, thinned

if TYPE_CHECKING:
    from torch import Tensor

ROLL_OUT = "nRMSE of a roll-out"
"""The metric of figures that are of PDEBench's own task."""

INDEX = "third-party index of results, not checked against the paper"
RECALLED = "ORCA (arXiv 2302.05738), PDEBench table, not checked against the paper"

_MARGIN = 1e-5
"""Added to every deviation: where nothing happens there is none."""


def nrmse(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Mean over samples of RMS(p − y) / RMS(y); both (n, L) or (n, H, W), one field."""
    return field_nrmse(predictions[:, None], targets[:, None])


def field_nrmse(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Mean over samples and fields of RMS(p − y) / RMS(y), as PDEBench has it; both (n, C, …)."""
    p, y = (np.asarray(array, dtype=np.float64).reshape(*array.shape[:2], -1) for array in (predictions, targets))
    return float(np.mean(np.linalg.norm(p - y, axis=2) / np.linalg.norm(y, axis=2)))


def field_relative_l2(predictions: Tensor, targets: Tensor) -> Tensor:
    """Mean over fields of ‖p − y‖₂ / ‖y‖₂ within a sample; both (B, C, …)."""
    return ((predictions - targets).flatten(2).norm(dim=2) / targets.flatten(2).norm(dim=2)).mean(1)


def root_squared_error(predictions: Tensor, targets: Tensor) -> Tensor:
    """RMS(p − y) within a sample; both (B, …)."""
    error = (predictions - targets).flatten(1)
    return error.norm(dim=1) / error.shape[1] ** 0.5


def released(identifier: int, md5: str) -> Download:
    """A file of PDEBench by its number at DaRUS, as `pdebench_data_urls.csv` of its repository lists it."""
    return Download(f"https://darus.uni-stuttgart.de/api/access/datafile/{identifier}", f"md5:{md5}")


def rolled_out(**figures: float) -> tuple[Published, ...]:
    """Figures that ORCA's table quotes from PDEBench, by method."""
    return tuple(Published(name.replace("_", "-"), value, RECALLED, False, ROLL_OUT) for name, value in figures.items())


def indexed(**figures: float) -> tuple[Published, ...]:
    """Figures of the one-frame task that a secondary source lists, by method."""
    return tuple(Published(name.replace("_", " "), value, INDEX, verified=False) for name, value in figures.items())


class OneFrame(Task):
    """A task of PDEBench: all fields at the first of two `times` in, at the second one out."""

    kind = "dense"
    version = 1
    metric = Metric("nRMSE", "minimize", nrmse)
    criterion = staticmethod(relative_l2)
    homepage = "PDEBench (https://doi.org/10.18419/darus-2986)"
    synthetic = "generated"

    times: ClassVar[tuple[float, float]]
    domain: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """The range of every coordinate."""

    layout: ClassVar[FrameLayout] = Stacked()
    test_first: ClassVar[bool] = True
    """Whether the first tenth of the samples is for testing, as in stacked files; else it is the last."""

    homogeneous: ClassVar[bool] = True
    """Whether all places are alike, so that the statistics of targets are taken over places as well as samples."""

    chunk: ClassVar[int] = 20
    """Samples that one core solves together."""

    @abstractmethod
    def solve(self, rngs: Sequence[np.random.Generator], recipe: Recipe) -> np.ndarray:
        """Draw an initial state from each generator and solve: frames (n, 2, C, *spatial_shape or finer) at `times`."""

    def generator(self, seed: int, index: int) -> np.random.Generator:
        """Return the random generator of sample `index`."""
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Solve the equation for the recipe's number of samples; the file holds the two frames that `read` takes."""
        count = int(recipe["samples"])
        chunks = [range(start, min(start + self.chunk, count)) for start in range(0, count, self.chunk)]
        parts: list[np.ndarray] = []
        for part in parallel.ordered(_solved, chunks, self, dict(recipe)):
            parts.append(part)
            progress(sum(map(len, parts)), count)
        self.layout.write(folder / self.files[0], self.times, np.concatenate(parts), self.domain)

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read two frames of every sample: a tenth of all is for testing, as ORCA has it, another for validation."""
        x, y = self.pair(self.layout.read(folder / self.files[0], self.times, self.spatial_shape, progress))
        count = len(x)
        tenth = max(1, count // 10)
        first = tenth if self.test_first else 0
        train, val = slice(first, first + count - 2 * tenth), slice(first + count - 2 * tenth, first + count - tenth)
        test = slice(0, tenth) if self.test_first else slice(count - tenth, count)
        found = checks.raw((x[train], y[train]), (x[val], y[val]), (x[test], y[test]))
        return replace(found, statistics=self._statistics(x[train], y[train]))

    def statistics_of(self, train: Split) -> dict[str, np.ndarray]:
        """Return mean and deviation of each channel; those of each place of a target, if so, take more samples."""
        found = self._statistics(train.x, train.y)
        return found if self.homogeneous else {name: found[name] for name in ("input_mean", "input_std")}

    def _statistics(self, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        places = tuple(range(2, x.ndim))
        input_mean, input_std = _moments(x, (0, *places))
        channels = y.reshape(len(y), -1, *self.spatial_shape)
        output_mean, output_std = _moments(channels, (0, *places) if self.homogeneous else (0,))
        if len(self.output_shape) == len(self.spatial_shape):
            output_mean, output_std = output_mean[0], output_std[0]
        return {
            "input_mean": input_mean,
            "input_std": input_std,
            "output_mean": output_mean,
            "output_std": output_std,
        }

    def pair(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (n, *shape) and targets (n, *output_shape) out of frames (n, 2, C, *spatial_shape)."""
        return frames[:, 0], frames[:, 1].reshape(-1, *self.output_shape)

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """First frames (n, C, *spatial_shape) or m times as fine, C left out of one field: (n, *shape) float32."""
        raw = np.asarray(raw)
        if raw.ndim == len(self.shape) and self.channels == 1:
            raw = raw[:, None]
        if (
            raw.ndim != 1 + len(self.shape)
            or raw.shape[1] != self.channels
            or not fits(raw.shape[2:], self.spatial_shape)
        ):
            expected = ", ".join(map(str, ("n", *self.shape)))
            raise RequestError(f"frames have shape {raw.shape}: give ({expected}) or m times as fine")
        if not checks.is_sound(raw):
            raise RequestError(f"frames of type {raw.dtype} are not all finite numbers: give real numbers only")
        return np.ascontiguousarray(raw[thinned(raw.shape[2:], self.spatial_shape)], dtype=np.float32)


PAPER_1D: dict[str, Any] = {
    "epochs": 200,
    "body": "FacebookAI/roberta-base",
    "source": "conll2000",
    "mix_weight": 0.1,
    "curriculum.family": "linear",
    "curriculum.end": 0.0,
    "gate.noise_until": 5 / 200,
    "optimizer.batch": 4,
    "optimizer.clip": 1.0,
    "optimizer.warmup": 5 / 200,
    "optimizer.decay_until": 1.0,
}
"""ORCA's run of a sequence, and PaRe's constants of its other sequences: for PDEBench none were released."""

PAPER_2D: dict[str, Any] = {
    "epochs": 200,
    "body": "microsoft/swin-base-patch4-window7-224-in22k",
    "source": "voc2012",
    "mix_weight": 0.3,
    "curriculum.family": "linear",
    "curriculum.start": 0.319,  # 1,000 of 3,136 patches
    "curriculum.end": 0.16,  # 500
    "gate.noise_until": 10 / 200,
    "optimizer.batch": 4,
    "optimizer.clip": 1.0,
    "optimizer.warmup": 5 / 200,
    "optimizer.decay_until": 1.0,
}
"""ORCA's run of a field, and PaRe's constants of Darcy flow in NAS-Bench-360: for PDEBench none were released."""

LAPTOP_1D: dict[str, Any] = {
    "epochs": 15,
    "body": "roberta-mini",
    "source": "signals",
    "optimizer.name": "adamw",
    "optimizer.batch": 16,
    "optimizer.weight_decay": 0.01,
    "optimizer.warmup": 0.1,
}
LAPTOP_2D: dict[str, Any] = {
    "epochs": 6,
    "body": "swin-mini",
    "source": "fractal-masks",
    "optimizer.name": "adamw",
    "optimizer.batch": 8,
    "optimizer.warmup": 0.1,
}


def interpolated(train: Split) -> Baseline:
    """Interpolate the target at each place between training samples, where the input's mean alone determines it."""

    def mean(x: np.ndarray) -> np.ndarray:
        return x.mean(axis=tuple(range(1, x.ndim)), dtype=np.float64)

    means, number = np.unique(mean(train.x), return_inverse=True)
    targets = np.zeros((len(means), *train.y.shape[1:]))
    np.add.at(targets, number, train.y)
    counts = np.bincount(number).reshape(-1, *(1,) * (train.y.ndim - 1))
    line = make_interp_spline(means, targets / counts, k=1)
    return Baseline("interpolation in the mean of the input", lambda x: line(mean(x)))


def rates(rate: float) -> dict[str, float]:
    """One learning rate for every group."""
    return {f"optimizer.lr.{group}": rate for group in ("embedder", "body", "gate", "heads")}


def _solved(numbers: Sequence[int], task: OneFrame, recipe: Recipe) -> np.ndarray:
    rngs = [task.generator(int(recipe["seed"]), number) for number in numbers]
    return task.solve(rngs, recipe).astype(np.float32)


def _moments(values: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation over `axes`, the sample axis gone and the others kept, float32."""
    mean = values.mean(axes, dtype=np.float64, keepdims=True)[0]
    deviation = values.std(axes, dtype=np.float64, keepdims=True)[0] + _MARGIN
    return mean.astype(np.float32), deviation.astype(np.float32)
