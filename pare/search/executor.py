"""Executors of a sweep's jobs: Ray Tune, on this machine or a cluster, or this process, one job at a time.

The imports of trials (torch, transformers, Ray Tune) wait until the first trial runs, so that a request that is
refused, or a sweep that is over, does not pay for them.
"""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console

from pare.bucket import Folder
from pare.data.provider import DataProvider
from pare.data.store import Prepared
from pare.data.task import ProgressCallback
from pare.errors import RequestError, Stopped, is_disk_full
from pare.search.cluster import connection, machine
from pare.search.cluster.connection import Slots
from pare.search.request import Request
from pare.search.sweep import Sweep

if TYPE_CHECKING:
    from pare.search.trial import TrialSpec

Argument = TypeVar("Argument")
Result = TypeVar("Result")


@contextmanager
def executor_of(request: Request, console: Console) -> Iterator[Executor]:
    """Yield the executor of a request; if that has an address, once the cluster has slots for trials.

    Raises:
        RequestError: the machines could never hold what is asked for, or nothing answers at the address.
    """
    try:
        if request.executor == "inline":
            yield InlineExecutor(request)
        elif request.address in (None, "local"):
            yield TuneExecutor(connection.slots(request, [machine.node()["Resources"]]), connected=False)
        else:
            from pare.search.cluster.workers import gathered

            connection.connect(request.address)
            with gathered(request, console) as (slots, places):
                yield TuneExecutor(slots, connected=True, places=places)
    finally:
        connection.disconnect()


class Executor(ABC):
    """Runs a sweep's jobs on `slots`; the base class assumes this machine alone."""

    slots: Slots

    def nodes(self) -> Sequence[Mapping[str, Any]]:
        """Return the machines that it runs on now, in the format of `ray.nodes()`."""
        return [machine.node()]

    def require_shared(self, out: Path) -> None:  # noqa: B027 - one machine sees its own files
        """Raise RequestError if a machine does not see the directory."""

    def require_data(self, provider: DataProvider, data: Mapping[tuple[str, str], Prepared]) -> None:  # noqa: B027 - as above
        """Raise RequestError if a machine lacks the data, and would make other data."""

    @abstractmethod
    def map(
        self, function: Callable[[Argument], Result], arguments: Sequence[Argument], progress: ProgressCallback
    ) -> list[Result]:
        """Return the results of `function`, each call on one worker; `progress` receives (done, total)."""

    @abstractmethod
    def run(self, sweep: Sweep, provider: DataProvider, storage: Path, remote: Folder | None = None) -> None:
        """Run a sweep to its end, or until Ctrl-C; re-raise an error of the sweep or its observers unchanged.

        `storage` is a directory for Ray's files; `remote` is the sweep's directory in a bucket, if it has one.
        """


class InlineExecutor(Executor):
    """Runs one job at a time in this process, without Ray: for tests and debugging, where breakpoints work.

    Raises:
        RequestError: the request is for more than one process.
    """

    def __init__(self, request: Request) -> None:
        for option, given in (
            ("--workers-per-trial", request.workers_per_trial > 1 and request.workers_per_trial),
            ("--max-concurrent", (request.max_concurrent or 1) > 1 and request.max_concurrent),
            ("--address", request.address),
        ):
            if given:
                raise RequestError(f"{option} is {given}: --executor inline is one process; leave one of them out")
        whole = connection.slots(request, [node["Resources"] for node in self.nodes()])
        self.slots = Slots(whole.workers, 1)

    def map(
        self, function: Callable[[Argument], Result], arguments: Sequence[Argument], progress: ProgressCallback
    ) -> list[Result]:
        results = []
        for argument in arguments:
            results.append(function(argument))
            progress(len(results), len(arguments))
        return results

    def run(self, sweep: Sweep, provider: DataProvider, storage: Path, remote: Folder | None = None) -> None:
        import torch

        from pare.search.trial import TrialSpec

        os.environ |= connection.ENVIRONMENT
        if not torch.cuda.is_available() and "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, int(self.slots.workers.cpus)))
        try:
            while (job := sweep.next()) is not None:
                sweep.settle()
                why = _carry_out(sweep, TrialSpec.of(job, provider, self.slots.workers, storage, remote))
                sweep.end(job.id, why)
        except KeyboardInterrupt:
            return  # the running job stays unfinished in its study, as under Tune


def _carry_out(sweep: Sweep, spec: TrialSpec) -> str:
    """Run a job and report to the sweep; return why it failed, empty if it did not."""
    from pare.search.trial import carry_out
    from pare.training.launch import as_data_error

    broken: list[Exception] = []

    def report(figures: Mapping[str, Any]) -> bool:
        try:
            return sweep.report(spec.id, figures)
        except Exception as error:  # the sweep's own, not the job's
            broken.append(error)
            return False

    why = ""
    try:
        carry_out(spec, lambda: False, report)
    except Stopped:
        pass
    except Exception as error:
        if is_disk_full(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(spec.folder)) from error
        why = str(as_data_error(error))
    if broken:
        raise broken[0]
    return why


class TuneExecutor(Executor):
    """Runs jobs under Ray Tune: on a local Ray, started when first needed, or on a connected cluster.

    `places` returns how many trials an autoscaling cluster holds now.
    """

    def __init__(self, slots: Slots, connected: bool, places: Callable[[], int] | None = None) -> None:
        self.slots, self._connected, self._places = slots, connected, places

    def nodes(self) -> Sequence[Mapping[str, Any]]:
        return connection.nodes() if self._connected else super().nodes()

    def require_shared(self, out: Path) -> None:
        if self._connected:
            from pare.search.output import visibility

            visibility.require_shared(out)

    def require_data(self, provider: DataProvider, data: Mapping[tuple[str, str], Prepared]) -> None:
        if self._connected:
            from pare.search.output import visibility

            visibility.require_data(provider, data)

    def map(
        self, function: Callable[[Argument], Result], arguments: Sequence[Argument], progress: ProgressCallback
    ) -> list[Result]:
        import ray

        self._start()
        workers = self.slots.workers
        remote = ray.remote(num_cpus=workers.cpus, num_gpus=workers.gpus)(lambda argument: function(argument))
        asked = [remote.remote(argument) for argument in arguments]
        waiting = list(asked)
        while waiting:
            _, waiting = ray.wait(waiting)
            progress(len(asked) - len(waiting), len(asked))
        return ray.get(asked)

    def run(self, sweep: Sweep, provider: DataProvider, storage: Path, remote: Folder | None = None) -> None:
        from pare.search import tune

        self._start()
        tune.run(sweep, self.slots.workers, provider, storage, self._places, remote)

    def _start(self) -> None:
        if not self._connected:
            connection.connect(None)
            self._connected = True
