"""Batches on their way to the device: gathered from memory-mapped arrays and augmented ahead of their step."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pare.data.task import Split, Task
from pare.training.sampling import Order, Part


class Batch(NamedTuple):
    """A part's samples on the device; the source's are None where the method has no use for them."""

    x: Tensor
    y: Tensor
    source_x: Tensor | None
    source_y: Tensor | None


@dataclass(frozen=True)
class TrainSet:
    """A task and its training split: what one side, target or source, is drawn from."""

    task: Task
    split: Split

    def __len__(self) -> int:
        """Units that an epoch draws from: samples, or groups where the task is drawn by group."""
        return len(self._starts) - 1 if self.task.drawn_by_group else len(self.split)

    def draw(self, units: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x (B, *shape) and y (B, …) of the given units, augmented and assembled."""
        index = units
        if self.task.drawn_by_group:
            first, size = self._starts[units], np.diff(self._starts)[units]
            index = first + (seeds % size.astype(np.uint64)).astype(np.int64)
        # Copied out of the map, which is read-only, before anything changes it.
        x, y = self.task.augment(np.array(self.split.x[index]), np.array(self.split.y[index]), seeds)
        return self.task.assemble(x), y

    @cached_property
    def _starts(self) -> np.ndarray:
        """Where each group begins, and the end; samples of a group lie together in the store."""
        group = self.split.group
        return np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1], [True]]))


def epoch(
    order: Order, number: int, target: TrainSet, source: TrainSet | None, device: torch.device, first: int = 0
) -> Iterator[list[tuple[Part, Batch]]]:
    """For each update of an epoch, from the `first` on, its parts with their batches on the device.

    One thread prepares the next update's batches while the device works on this one; on a CPU too, where gathering and
    augmentation leave the interpreter most of the time.
    """

    def load(parts: list[Part]) -> list[tuple[Part, Batch]]:
        return [(part, _load(order, number, part, target, source, device)) for part in parts]

    with ThreadPoolExecutor(1, thread_name_prefix="feed") as pool:
        steps = islice(order.epoch(number), first, None)
        ahead = pool.submit(load, next(steps))
        for parts in steps:
            ready, ahead = ahead, pool.submit(load, parts)
            yield ready.result()
        yield ahead.result()


def _load(
    order: Order, number: int, part: Part, target: TrainSet, source: TrainSet | None, device: torch.device
) -> Batch:
    x, y = target.draw(part.target, order.sample_seeds(number, part.target))
    if source is None:
        return Batch(_send(x, device), _send(y, device), None, None)
    source_x, source_y = source.draw(part.source, order.sample_seeds(number, part.source))
    return Batch(_send(x, device), _send(y, device), _send(source_x, device), _send(source_y, device))


def _send(array: np.ndarray, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(array)
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
