"""The actor that runs trials, one after another, in Ray Tune."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ray import tune
from ray.exceptions import RayActorError

from pare import tasks
from pare.bucket import Folder
from pare.config import Run
from pare.data import store
from pare.data.provider import DataProvider
from pare.errors import DiskFull, Preempted, TrainingError
from pare.reporting import export
from pare.reporting.best_model import MODEL
from pare.reporting.records import ALSO
from pare.search.cluster.preemption import PreemptionWatcher
from pare.training.distributed import DistributedContext
from pare.training.evaluate import predict
from pare.training.launch import Launch, Workers
from pare.training.loop import ReportCallback, train


def search(
    run: Run,
    supply: DataProvider,
    folder: Path,
    remote: Folder | None,
    should_preempt: Callable[[], bool],
    report: ReportCallback,
) -> None:
    """A trial of the search, or a run of the published configuration: train and validate."""
    with _scratch(folder, remote) as here:
        train(run, supply.ready(run), here, report, should_preempt, remote)


def confirm(
    run: Run,
    supply: DataProvider,
    folder: Path,
    remote: Folder | None,
    should_preempt: Callable[[], bool],
    report: ReportCallback,
) -> None:
    """A confirmation: train, then open the test split, once, for the model of the best epoch by validation."""
    with _scratch(folder, remote) as here:
        root = supply.ready(run)
        trained = train(run, root, here, report, should_preempt, remote)
        if trained is None:  # a worker that does not lead
            return
        task, data = tasks.get(run.task), store.load(root, run.data)
        split, alone = data.split("test"), DistributedContext(0, 1, DistributedContext.current().device)
        predictions = predict(trained.model, task, split.x, alone)
        assert predictions is not None  # noqa: S101 - a world of one leads
        test = task.score(task.metric, predictions, split)
        facts = {"validation": trained.best.metric, "test": test, "provenance": data.provenance}
        export.save(trained.model, run, here / MODEL, facts)
        if remote is not None:
            remote.push_folder(here / MODEL, MODEL)
        also = {f"{ALSO}{metric.name}": task.score(metric, predictions, split) for metric in task.extra_metrics}
        report({"test_metric": test, **also})


@contextmanager
def _scratch(folder: Path, remote: Folder | None) -> Iterator[Path]:
    """Where a run leaves its files: its folder or, where the bucket keeps them, one for as long as the run lasts.

    In the bucket is what another node has come to; what this one may have had of the run before is old.
    """
    if remote is None:
        yield folder
    else:
        with TemporaryDirectory(prefix="pare-run-", ignore_cleanup_errors=True) as scratch:
            yield Path(scratch)


def never_preempt() -> bool:
    """What a worker of a group answers: Ray Train moves the group, which goes on from its last epoch."""
    return False


class TrialActor(tune.Trainable):
    """Tune's view of a run: a step is an epoch. Reused from trial to trial, it pays for its imports once."""

    _launch: Launch | None = None

    def setup(self, config: dict[str, Any]) -> None:
        self._notice = PreemptionWatcher()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        run, workers = Run.from_flat(new_config["run"]), Workers(**new_config["workers"])
        program = partial(
            confirm if new_config["purpose"] == "confirm" else search,
            run,
            DataProvider(**new_config["supply"]),
            Path(new_config["folder"]),
            Folder(**new_config["remote"]) if new_config["remote"] else None,
            self._notice if workers.count == 1 else never_preempt,
        )
        name = new_config["job"].replace("/", "-")
        self._launch = Launch(program, workers, name, new_config["storage"])
        return True

    def step(self) -> dict[str, Any]:
        """The next report; `failed` holds the reason of a run that cannot go on, which no retry would mend.

        `full` says that it could not go on for want of disk space.

        Raises:
            RayActorError: the node will be taken away. Tune starts the run elsewhere, and counts no failure.
        """
        assert self._launch is not None  # noqa: S101 - Tune calls setup first
        try:
            figures = self._launch.next()
        except DiskFull:
            return {"done": True, "full": True}
        except Preempted:
            raise RayActorError(error_msg="its node will be taken away", preempted=True) from None
        except TrainingError as error:
            return {"done": True, "failed": str(error)}
        return {"done": True} if figures is None else dict(figures)

    def cleanup(self) -> None:
        if self._launch is not None:
            self._launch.stop()
            self._launch = None

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to do: a run keeps its own checkpoints, in its job's folder, and finds them there."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing to do, see `save_checkpoint`."""
