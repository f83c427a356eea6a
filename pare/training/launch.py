"""Start a run under Ray Train, in this process for one worker, in a worker group for more, and follow its reports.

Only this module imports `ray.train`. A run is a *program*, a picklable function of `report`. It sends one report at a
time: the loop waits at the end of an epoch until the follower asks for the next report or tells it to stop. So nothing
runs past a stop, and a worker group ends because its workers return. Only then does Ray Train reliably release the
placement group (a killed group leaks it, see ray-project/ray#54305).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import re
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import psutil
import ray
import torch
import torch.distributed as dist
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from pare.errors import DiskFull, RequestError, Stopped, TrainingError, is_disk_full
from pare.training.workers import Figures, Mailbox, Workers

if TYPE_CHECKING:
    from pare.training.loop import ReportCallback

Program = Callable[["ReportCallback"], None]

RESTARTS = 3
"""Number of times that a worker group restarts from the last checkpoint after a worker died."""

_NO_MEMORY = ("out of memory", "ALLOC_FAILED")
"""What the first line of an error says if a GPU had no memory left, for CUDA's context or its libraries."""

_LARGE = 2**30
"""Resident bytes of a process above which it returns freed memory, which takes 40 ms."""


class Launch:
    """A running program. `next` returns its next report; `stop` ends it at any point and releases its resources."""

    def __init__(self, program: Program, workers: Workers, name: str, storage: str) -> None:
        self._grouped = workers.count > 1
        self._owes_answer = False
        self._ended = False
        if self._grouped:
            # Several threads, because `report` blocks inside the actor until it is answered.
            remote = ray.remote(num_cpus=0, max_concurrency=4)(Mailbox).remote()
            self._call = lambda method, *args: ray.get(getattr(remote, method).remote(*args))
            fit = _group(program, remote, workers, name, storage)
        else:
            mailbox = Mailbox()
            self._call = lambda method, *args: getattr(mailbox, method)(*args)
            fit = _local(program, mailbox, workers)
        self._thread = threading.Thread(target=self._run, args=(fit,), name=f"run {name}", daemon=True)
        self._thread.start()

    def _run(self, fit: Callable[[], object]) -> None:
        error: Exception | None = None
        try:
            fit()
        except Exception as problem:
            error = as_data_error(problem)
        self._call("end", error)

    def next(self) -> Figures | None:
        """Return the next report, or None when the program has ended.

        Raises:
            TrainingError: the program failed; the message says why.
        """
        if self._ended:
            return None
        if self._owes_answer:
            self._call("answer", True)
        self._owes_answer = False
        report = self._call("take")
        if isinstance(report, Exception):
            self._ended = True
            raise report
        self._ended = report is None
        self._owes_answer = not self._ended
        return report

    def stop(self) -> None:
        """Tell the program to end at its next report, and wait until it has."""
        while not self._ended:
            self._call("answer", False)
            self._ended = not isinstance(self._call("take"), Mapping)
        self._thread.join()


def _local(program: Program, mailbox: Mailbox, workers: Workers) -> Callable[[], object]:
    def loop() -> None:
        _set_threads(workers)
        if torch.cuda.is_available() and 0 < workers.gpus < 1:
            # A run that exceeds its share fails with a message; runs that share the GPU go on.
            torch.cuda.set_per_process_memory_fraction(workers.gpus)
        failure: Exception | None = None
        try:
            _guarded(program, mailbox.report)
        except Exception as problem:
            failure = as_data_error(problem)
            _clear_frames(problem)
        _give_back()
        if failure is not None:
            raise failure

    return TorchTrainer(loop, scaling_config=ScalingConfig(num_workers=0, use_gpu=workers.gpus > 0)).fit


def _group(program: Program, mailbox: Any, workers: Workers, name: str, storage: str) -> Callable[[], object]:
    def loop() -> None:
        _set_threads(workers)
        try:
            _guarded(program, lambda figures: ray.get(mailbox.report.remote(dict(figures))))
        except (TrainingError, RequestError) as error:
            # No restart would help. Rank 0 reports the error; to Ray Train the run has ended normally.
            if dist.get_rank() == 0:
                ray.get(mailbox.end.remote(TrainingError(str(error))))
        except Exception as error:
            if is_disk_full(error):
                ray.get(mailbox.end.remote(as_data_error(error)))
            # The other workers wait for this one, and only a failure stops them.
            raise

    return TorchTrainer(
        loop,
        # Without this, CPU workers on a machine with GPUs would use NCCL.
        torch_config=TorchConfig(backend="nccl" if workers.gpus > 0 and torch.cuda.is_available() else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=workers.count,
            use_gpu=workers.gpus > 0,
            resources_per_worker={"CPU": workers.cpus} | ({"GPU": workers.gpus} if workers.gpus else {}),
            placement_strategy="PACK",  # on one machine where one has room for all, else on few
        ),
        run_config=RunConfig(
            name=name,
            storage_path=storage,
            failure_config=FailureConfig(max_failures=RESTARTS, controller_failure_limit=RESTARTS),
        ),
    ).fit


def _set_threads(workers: Workers) -> None:
    """Give a run on a CPU one thread for each of its CPUs, or as many as OMP_NUM_THREADS says.

    With one thread two runs are bitwise identical; with several, MKL does not guarantee it.
    """
    if not torch.cuda.is_available():
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or max(1, int(workers.cpus))))


def _guarded(program: Program, report: ReportCallback) -> None:
    with contextlib.suppress(Stopped):
        program(report)


def _give_back() -> None:
    """Return the memory that a run has freed to the machine, because this process lives on and others may need it."""
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
    if psutil.Process().memory_info().rss > _LARGE:
        # glibc keeps memory that threads of a run freed, gigabytes after a few runs. Only glibc has this call.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def _clear_frames(error: BaseException | None) -> None:
    """Clear the frames of an error and of its causes, whose local variables may hold gigabytes of tensors."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def as_data_error(problem: Exception) -> TrainingError:
    if isinstance(problem, TrainingError):
        return problem
    return (DiskFull if is_disk_full(problem) else TrainingError)(_in_one_line(problem))


def _in_one_line(problem: Exception) -> str:
    """Describe the cause of a failure in one line: its message, if any, and where it was raised."""
    cause = problem
    while (inner := getattr(cause, "cause", None) or cause.__cause__) is not None and isinstance(inner, Exception):
        cause = inner
    said = str(cause).strip().splitlines() or ["no message"]
    if any(sign in said[0] for sign in _NO_MEMORY):
        return _out_of_memory(str(cause))
    frames = traceback.extract_tb(cause.__traceback__)
    where = f" ({frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno})" if frames else ""
    # After what went wrong, PyTorch's errors of a device go on with general advice.
    return f"{type(cause).__name__}: {said[0 if isinstance(cause, torch.AcceleratorError) else -1]}{where}"


def _out_of_memory(said: str) -> str:
    """Say what a run that ran out of memory asked for, what the device has, and what to do, from an error's message."""
    amount = r"[\d.]+ \w*iB|\d+ bytes"
    asked = said.splitlines()[0]
    if found := re.search(
        rf"allocate ({amount}).*?capacity of ({amount}) of which ({amount}) is free", said, re.DOTALL
    ):
        asked = "asked for {} on a device of {} with {} free".format(*found.groups())
    if share := re.search(rf"({amount}) allowed", said):
        asked += f", its share being {share[1]}"
    return (
        f"OutOfMemoryError: {asked}: give it a larger share of the GPU, or a smaller optimizer.batch or more accumulate"
    )
