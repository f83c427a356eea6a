"""Save a run in the background: copy it to host memory, from which a thread writes and uploads it.

After an epoch a run is saved if that delays it by less than 2 % of its time, or if a minute has passed. So a run loses
at most a minute or an epoch, whichever is longer. The weights of a best epoch that was not saved stay in memory until
the next checkpoint, which refers to them; they are written before it.
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
"""Share of a run's time that saving may take, and seconds after which a run is saved in any case."""


class Saver:
    """Saves a run; as a context manager, waits at its end for the current write.

    Raises:
        OSError: an earlier save could not be written; raised by `epoch`, `now` or the end of the context.
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
        """Save the run after an epoch if it is time to; otherwise keep its weights if it is the best so far."""
        passed = time.perf_counter() - self._saved
        if passed >= LONGEST or self._cost + self._left() <= SHARE * passed:
            self._save(progress)
        elif progress.best is not None and progress.best.epoch == progress.epoch:
            self._settle()  # the thread may still write the previous best from the same memory
            self._waiting = self._checkpoints.weights(progress, self._module, self._best)

    def now(self, progress: TrainingState) -> None:
        """Save the run at once, and return after it is written."""
        self._save(progress)
        self._settle()

    def load_best(self, epoch: int) -> None:
        """Load the weights of the best epoch from memory or from its checkpoint."""
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
        """Seconds since the current write began, as an estimate of the seconds it still takes."""
        return 0.0 if self._writing is None or self._writing.done() else time.perf_counter() - self._saved

    def _settle(self) -> None:
        """Wait for the current write and raise its error."""
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
    """Copies tensors to host memory that is reused for the next copy; from a GPU asynchronously to pinned memory."""

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
