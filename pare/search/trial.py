"""One trial: its specification and its execution, independent of Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pare import tasks
from pare.bucket import Folder
from pare.config import Run
from pare.data import store
from pare.data.provider import DataProvider
from pare.layout import MODEL, RUNNING
from pare.reporting.records import Purpose
from pare.search.reports import TestReport
from pare.training.workers import Workers

if TYPE_CHECKING:
    from pare.search.plans import Job
    from pare.training.loop import ReportCallback


@dataclass(frozen=True)
class TrialSpec:
    """Everything that a process on any machine needs to run a job."""

    id: str
    """Identifier of the job: `ecg/pare-0003`."""
    run: Run
    purpose: Purpose
    folder: Path
    """Directory for checkpoints and, for a confirmation, the model."""
    provider: DataProvider
    workers: Workers
    storage: str
    """Directory for the files that Ray Train writes for a worker group."""
    own: tuple[tasks.Definition, ...] = ()
    """The user's own tasks, which this process may not know."""
    remote: Folder | None = None
    """Folder that replaces `folder` if a bucket keeps checkpoints and models."""

    @classmethod
    def of(
        cls, job: Job, provider: DataProvider, workers: Workers, storage: Path, remote: Folder | None = None
    ) -> TrialSpec:
        """Return the specification of a job; `remote` is the sweep's directory in a bucket, if it has one."""
        its = remote / job.record.task / RUNNING / job.folder.name if remote else None
        return cls(job.id, job.run, job.purpose, job.folder, provider, workers, str(storage), tasks.definitions(), its)


def carry_out(spec: TrialSpec, should_preempt: Callable[[], bool], report: ReportCallback) -> None:
    """Train and validate, reporting every epoch; a confirmation then tests the model of its best epoch, once.

    Raises:
        Stopped: `report` ended the run.
        TrainingError: the run cannot go on, even after a retry.
    """
    # An actor that only follows a worker group imports none of this, which would take .3 GB each on the head.
    from pare.reporting import export
    from pare.training.distributed import DistributedContext
    from pare.training.evaluate import predict
    from pare.training.loop import train

    tasks.adopt(spec.own)
    task, source = tasks.get(spec.run.task), tasks.get(spec.run.source)
    with _scratch(spec) as here:
        root = spec.provider.ready(spec.run, task, source)
        trained = train(spec.run, root, here, report, should_preempt, spec.remote)
        if trained is None or spec.purpose != "confirm":  # None: not rank 0
            return
        data = store.load(root, spec.run.data)
        split, alone = data.split("test"), DistributedContext(0, 1, DistributedContext.current().device)
        predictions = predict(trained.model, task, split.x, alone, spec.run.precision)
        assert predictions is not None  # noqa: S101 - the only worker is rank 0
        test = task.score(task.metric, predictions, split)
        facts = {"validation": trained.best.metric, "test": test, "provenance": data.provenance}
        export.save(trained.model, task, spec.run, here / MODEL, facts)
        if spec.remote is not None:
            spec.remote.push_folder(here / MODEL, MODEL)
        also = {metric.name: task.score(metric, predictions, split) for metric in task.extra_metrics}
        report(TestReport(test, also).figures())


@contextmanager
def _scratch(spec: TrialSpec) -> Iterator[Path]:
    """Yield the directory of a run's files: its folder or, if a bucket keeps them, a temporary directory.

    Earlier files of the run on this machine may be stale, because another machine may have continued it since.
    """
    if spec.remote is None:
        yield spec.folder
    else:
        with TemporaryDirectory(prefix="pare-run-", ignore_cleanup_errors=True) as scratch:
            yield Path(scratch)
