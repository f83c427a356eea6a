"""When a run is saved, and beside what: a copy in memory of the host, which a thread writes and uploads.

After an epoch a run is saved where that holds it up for less than 2 % of its time, or a minute has passed: what a run
may lose is a minute or an epoch, whichever is longer. The weights of a best epoch that was not saved wait in memory,
and are written before the next checkpoint, which names it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import torch
from torch import Tensor, nn

from pare.training.checkpoint import Checkpoints, Snapshot, TrainingState

SHARE, LONGEST = 0.02, 60.0
"""Share of a run's time that saving may take, and the seconds after which a run is saved whatever that takes."""


class Saver:
    """Saves a run; as a context, waits at its end until what is under way is written.

    Raises:
        OSError: from `epoch`, `now` or the end of the context: what was to be saved before could not be written.
    """

    def __init__(self, checkpoints: Checkpoints, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._checkpoints, self._module, self._optimizer = checkpoints, module, optimizer
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="save")
        self._writing: Future[None] | None = None
        self._host = _HostCopies()
        self._best = _HostCopies()
        self._waiting: Snapshot | None = None
        self._saved, self._cost = time.perf_counter(), 0.0

    def epoch(self, progress: TrainingState) -> None:
        """Save the run after an epoch if it is time to; keep the weights of one that is the best so far."""
        passed = time.perf_counter() - self._saved
        if passed >= LONGEST or self._cost + self._left() <= SHARE * passed:
            self._save(progress)
        elif progress.best is not None and progress.best.epoch == progress.epoch:
            self._settle()  # the last best may be under way, from the same memory
            self._waiting = self._checkpoints.weights(progress, self._module, self._best)

    def now(self, progress: TrainingState) -> None:
        """Save the run at once, and return when it is written."""
        self._save(progress)
        self._settle()

    def load_best(self, epoch: int) -> None:
        """Load the weights of the best epoch, wherever they are."""
        self._settle()
        if self._waiting is not None:
            self._module.load_state_dict(self._waiting.model)
        else:
            self._checkpoints.load_model(epoch, self._module)

    def _save(self, progress: TrainingState) -> None:
        began = time.perf_counter()
        self._settle()
        best, self._waiting = self._waiting, None
        if best is not None and (progress.best is None or best.epoch != progress.best.epoch):
            best = None
        snapshot = self._checkpoints.snapshot(progress, self._module, self._optimizer, self._host)
        self._writing = self._pool.submit(self._write, best, snapshot)
        self._saved = time.perf_counter()
        self._cost = self._saved - began

    def _write(self, best: Snapshot | None, snapshot: Snapshot) -> None:
        if best is not None:
            self._checkpoints.write(best)
        self._checkpoints.write(snapshot)

    def _left(self) -> float:
        """Seconds for which what is under way has been: about as long it may take yet."""
        return 0.0 if self._writing is None or self._writing.done() else time.perf_counter() - self._saved

    def _settle(self) -> None:
        """Wait for what is under way, whose error is the run's."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        try:
            self._settle()
        except OSError:
            if kind is None:
                raise
        finally:
            self._pool.shutdown()


class _HostCopies:
    """Copies tensors to memory of the host that is kept for the next time; from a GPU pinned, all at once."""

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def __call__(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        cuda = any(tensor.is_cuda for tensor in tensors.values())
        for name, tensor in tensors.items():
            kept = self._kept.get(name)
            if kept is None or kept.shape != tensor.shape or kept.dtype != tensor.dtype:
                kept = self._kept[name] = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=cuda)
            kept.copy_(tensor.detach(), non_blocking=True)
        if cuda:
            torch.cuda.synchronize()
        return {name: self._kept[name] for name in tensors}
