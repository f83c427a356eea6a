"""Prefetch batches to the device, two updates ahead of the step that needs them.

Data that fits a GPU and is not augmented is kept and gathered there; a thread gathers other data from memory-mapped
arrays and augments it.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from pare.data.task import Split, Task
from pare.training.sampling import Order, Part

_AHEAD = 2
"""Number of updates whose batches are prefetched."""

_SHARE, _BYTES = 0.1, 2**32
"""Largest share of a GPU's free memory, and most bytes, that a data set may take: runs may share the GPU."""


class Batch(NamedTuple):
    """Samples of a part on the device; source samples are None if the method does not use them."""

    x: Tensor
    y: Tensor
    source_x: Tensor | None
    source_y: Tensor | None


class Side(Protocol):
    """Provider of target or source samples."""

    def send(self, units: np.ndarray, seeds: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return x (B, *shape) and y (B, …) of the given units, augmented, on the device."""


@dataclass(frozen=True)
class TrainSet:
    """A task and its training split, from which target or source samples are drawn."""

    task: Task
    split: Split

    def __len__(self) -> int:
        """Number of units that an epoch draws from: samples, or groups if the task is drawn by group."""
        return len(self._starts) - 1 if self.task.drawn_by_group else len(self.split)

    def rows(self, units: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Return one row of the split for each given unit."""
        if not self.task.drawn_by_group:
            return units
        first, size = self._starts[units], np.diff(self._starts)[units]
        return first + (seeds % size.astype(np.uint64)).astype(np.int64)

    def draw(self, units: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return x (B, *shape) and y (B, …) of the given units, augmented and assembled."""
        index = self.rows(units, seeds)
        # Copied because the memory map is read-only and augmentation may change it.
        x, y = self.task.augment(np.array(self.split.x[index]), np.array(self.split.y[index]), seeds)
        return self.task.assemble(x), y

    @cached_property
    def _starts(self) -> np.ndarray:
        """Return the first row of each group, and the end; the store keeps samples of a group together."""
        group = self.split.group
        return np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1], [True]]))

    def send(self, units: np.ndarray, seeds: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the result of `draw` on the device."""
        x, y = self.draw(units, seeds)
        return _send(x, device), _send(y, device)


class DeviceSet:
    """A training split that is kept and gathered on the device."""

    def __init__(self, side: TrainSet, device: torch.device) -> None:
        self._side = side
        # Copied because the memory map is read-only.
        self._x, self._y = (torch.from_numpy(np.array(part)).to(device) for part in (side.split.x, side.split.y))

    def send(self, units: np.ndarray, seeds: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return x (B, *shape) and y (B, …) of the given units."""
        rows = _send(self._side.rows(units, seeds), device)
        return self._x.index_select(0, rows).float(), self._y.index_select(0, rows)


def place(side: TrainSet, device: torch.device) -> Side:
    """Put a side on the device if that is a GPU with room for it and the side is not augmented or assembled."""
    task = type(side.task)
    if device.type != "cuda" or (task.augment, task.assemble) != (Task.augment, Task.assemble):
        return side
    free, _ = torch.cuda.mem_get_info(device)
    size = side.split.x.nbytes + side.split.y.nbytes
    return DeviceSet(side, device) if size <= min(_SHARE * free, _BYTES) else side


def epoch(
    order: Order, number: int, target: Side, source: Side | None, device: torch.device, first: int = 0
) -> Iterator[list[tuple[Part, Batch]]]:
    """Yield, for each update of an epoch from `first` on, its parts with their batches on the device.

    A thread prepares the next batches while the device computes. This also helps on a CPU, because gathering and
    augmentation release the GIL most of the time.
    """
    stream = _Stream(device)

    def load(parts: list[Part]) -> _Loaded:
        with stream.beside():
            made = [(part, _load(order, number, part, target, source, device)) for part in parts]
            return _Loaded(made, stream.mark())

    with ThreadPoolExecutor(1, thread_name_prefix="feed") as pool:
        ahead: deque[Future[_Loaded]] = deque()
        for parts in islice(order.epoch(number), first, None):
            ahead.append(pool.submit(load, parts))
            if len(ahead) > _AHEAD:
                yield stream.joined(ahead.popleft().result())
        while ahead:
            yield stream.joined(ahead.popleft().result())


class _Loaded(NamedTuple):
    """The parts of an update, and the event that marks them as ready."""

    parts: list[tuple[Part, Batch]]
    done: torch.cuda.Event | None


class _Stream:
    """A CUDA stream on which batches are copied and gathered while a step runs; on a CPU there is none."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream(device))

    def beside(self) -> contextlib.AbstractContextManager[object]:
        """Return the context in which batches are made."""
        return contextlib.nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def mark(self) -> torch.cuda.Event | None:
        """Record an event on the stream; None on a CPU."""
        return None if self._stream is None else self._stream.record_event()

    def joined(self, loaded: _Loaded) -> list[tuple[Part, Batch]]:
        """Return the parts after making the current stream wait for them."""
        if loaded.done is not None:
            current = torch.cuda.current_stream()
            current.wait_event(loaded.done)
            for _, batch in loaded.parts:
                for tensor in batch:
                    if tensor is not None:
                        tensor.record_stream(current)
        return loaded.parts


def _load(order: Order, number: int, part: Part, target: Side, source: Side | None, device: torch.device) -> Batch:
    x, y = target.send(part.target, order.sample_seeds(number, part.target), device)
    if source is None:
        return Batch(x, y, None, None)
    return Batch(x, y, *source.send(part.source, order.sample_seeds(number, part.source), device))


def _send(array: np.ndarray, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(array)
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
