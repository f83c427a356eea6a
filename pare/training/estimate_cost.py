"""Estimate the cost of an epoch by running the training loop on a few batches."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pare.config import Run
from pare.data import store
from pare.data.task import Split, Task
from pare.training.loop import Data, fit
from pare.training.prefetch import TrainSet

_BATCHES, _VALIDATED = 6, 128
"""Numbers of updates and of validation samples that are measured."""

_CONTEXT = 0.5
"""GiB of GPU memory, about, that a process takes before its first tensor."""


@dataclass(frozen=True)
class MeasuredCost:
    """Seconds of an epoch's training and validation on one worker, and the GPU memory it took."""

    training: float
    validation: float
    memory: float = 0.0
    """GiB of GPU memory that the run took, 0 without a GPU."""
    capacity: float = 0.0
    """GiB of memory of the GPU it was measured on."""

    @property
    def epoch(self) -> float:
        return self.training + self.validation

    @property
    def fit(self) -> int:
        """Number of such runs that fit into the memory of one GPU; 0 without a GPU."""
        return int(self.capacity / self.memory) if self.memory else 0


def estimate_cost(run: Run, task: Task, source: Task, root: Path) -> MeasuredCost:
    """Measure a run on an excerpt of the prepared data below `root`: two short epochs, of which the second counts."""
    data = store.load(root, run.data)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    excerpt = _Excerpt(data, task, run.optimizer.batch * _BATCHES)
    reports: list[Mapping[str, Any]] = []

    def report(figures: Mapping[str, Any]) -> bool:
        reports.append(figures)
        return True

    with tempfile.TemporaryDirectory(prefix="pare-rehearsal-") as folder:
        short, source_data = run.replace({"epochs": 2}), store.load(root, run.source_data)
        fit(short, task, source, excerpt, source_data, Path(folder), report)
    first, second = reports
    rate, samples = second["samples_per_second"], second["samples"] - first["samples"]
    validated = second["seconds"] - first["seconds"] - samples / rate
    units, checked = len(TrainSet(task, data.split("train"))), len(data.split("val"))
    return MeasuredCost(units / rate, max(validated, 0.0) * checked / len(excerpt.split("val")), *_gpu_memory())


def _gpu_memory() -> tuple[float, float]:
    """Return the peak memory of this process and the capacity of its GPU, in GiB."""
    if not torch.cuda.is_available():
        return 0.0, 0.0
    held, capacity = torch.cuda.max_memory_reserved(), torch.cuda.mem_get_info()[1]
    return held / 2**30 + _CONTEXT, capacity / 2**30


class _Excerpt:
    """The first `units` that an epoch of prepared data draws from, and validation samples spread over the split."""

    def __init__(self, data: Data, task: Task, units: int) -> None:
        self._data, self._task, self._units = data, task, units

    @property
    def statistics(self) -> Mapping[str, np.ndarray]:
        return self._data.statistics

    def split(self, name: str) -> Split:
        whole = self._data.split(name)
        if name == "train":
            ends = np.arange(1, len(whole) + 1)
            if self._task.drawn_by_group:
                ends = np.flatnonzero(np.append(whole.group[1:] != whole.group[:-1], True)) + 1
            rows = np.arange(ends[min(self._units, len(ends)) - 1])
        else:
            rows = np.linspace(0, len(whole) - 1, min(_VALIDATED, len(whole))).astype(int)
        return Split(whole.x[rows], whole.y[rows], whole.group[rows])
