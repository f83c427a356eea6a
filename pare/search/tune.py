"""Thin adapters between Ray Tune and a sweep, and the function that runs them.

Tune places trials on the cluster, reuses their actors and restarts trials whose node died. The sweep defines trials,
decides whether they go on and how they ended.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ray import tune
from ray.tune.execution.placement_groups import PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from pare.bucket import Folder
from pare.data.provider import DataProvider
from pare.reporting.scalars import PICTURES
from pare.search.actor import TrialActor
from pare.search.cluster.autoscaler import HEAD
from pare.search.cluster.placement_groups import OrphanedPlacementGroups
from pare.search.cluster.workers import Places
from pare.search.plans import Job
from pare.search.reports import Failure
from pare.search.sweep import Sweep
from pare.search.trial import TrialSpec
from pare.training.workers import Workers

RETRIES = 3
"""How often a trial whose actor or node died restarts from its last checkpoint."""

MOST_STARTING = 256
"""Maximum of actors that start at the same time: all waiting trials are proposed before the first of them starts."""

_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Nothing restores Tune's snapshot of all trials, so it is written only once, at the end.
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",
    # A run's last report has no metrics; it only says that the run is over.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}

Answer = TypeVar("Answer")


class _Unsaved:
    """Pickles empty: Tune saves searcher, scheduler and callbacks with the experiment, and ours hold studies and files.

    Nothing is lost, because no experiment is restored from Tune's snapshot: a sweep resumes from its studies.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {}


class ErrorTrap(_Unsaved, tune.Callback):
    """Calls the sweep; its first error, or that of an observer, ends the experiment and is re-raised unchanged.

    Tune would count the error as a failure of the trial being reported. Running trials stay unfinished in their study,
    for the next session.
    """

    def __init__(self) -> None:
        self._error: Exception | None = None

    def __call__(self, tell: Callable[..., Answer], *arguments: Any, otherwise: Answer) -> Answer:
        if self._error is None:
            try:
                return tell(*arguments)
            except Exception as error:
                self._error = error
        return otherwise

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:  # noqa: ARG002
        self.check()


class SweepSearcher(_Unsaved, Searcher):
    """Asks the sweep for the next job, and reports every end to it."""

    def __init__(
        self, sweep: Sweep, trap: ErrorTrap, spec: Callable[[Job], TrialSpec], places: Places | None = None
    ) -> None:
        super().__init__(metric="objective", mode="min")
        self._sweep, self._trap, self._spec, self._places = sweep, trap, spec, places
        self._jobs: dict[str, Job] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        # FINISHED after an error: with no running trial, Tune would ask for ten minutes before its next step.
        return self._trap(self._next, trial_id, otherwise=Searcher.FINISHED)

    def _next(self, trial_id: str) -> dict[str, Any] | str | None:
        full = self._places is not None and len(self._jobs) >= self._places()
        job = None if full else self._sweep.next()
        if job is None:
            return Searcher.FINISHED if self._sweep.finished else None
        self._jobs[trial_id] = job
        return {"spec": self._spec(job)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self._trap(self._end, self._jobs.pop(trial_id), result or {}, error, otherwise=None)

    def _end(self, job: Job, result: dict[str, Any], error: bool) -> None:
        failure = Failure.of(result)
        if failure and failure.disk_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(job.folder))
        why = failure.why if failure else ""
        if error and not why:
            why = f"its process died, {RETRIES + 1} times in all"
        self._sweep.end(job.id, why)

    def save(self, checkpoint_path: str) -> None:
        """Do nothing, see `_Unsaved`."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: nothing was saved, see `_Unsaved`."""


class SweepScheduler(_Unsaved, FIFOScheduler):
    """Passes every report to the sweep, and the sweep's decision to Tune."""

    def __init__(self, sweep: Sweep, trap: ErrorTrap) -> None:
        super().__init__()
        self._sweep, self._trap = sweep, trap
        self._newest: Trial | None = None

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:  # noqa: ARG002
        self._newest = trial

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:  # noqa: ARG002
        """Return the trial added last, if it waits for an actor: it reuses the actor of an ended trial.

        Tune's default is the first waiting trial, whose own actor is already starting: Tune would kill that actor,
        and its slot would stay empty for as long again. Trials in between get their own actors.
        """
        newest = self._newest
        return newest if newest is not None and newest.status == Trial.PENDING else None

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:  # noqa: ARG002
        go_on = self._trap(self._sweep.report, trial.config["spec"].id, result, otherwise=False)
        return TrialScheduler.CONTINUE if go_on else TrialScheduler.STOP


class FlushCallback(_Unsaved, tune.Callback):
    """Lets the sweep `settle` deferred work after the new trials have been placed."""

    def __init__(self, sweep: Sweep, trap: ErrorTrap) -> None:
        self._sweep, self._trap = sweep, trap

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:  # noqa: ARG002
        self._trap(self._sweep.settle, otherwise=None)


class AutoscalerWatch(_Unsaved, tune.Callback):
    """Polls the cluster at every step: while a trial waits for a node, Tune does not ask for the next one."""

    def __init__(self, places: Places, trap: ErrorTrap) -> None:
        self._places, self._trap = places, trap

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:  # noqa: ARG002
        self._trap(self._places, otherwise=0)
        self._trap.check()


class DropImages(tune.Callback):
    """Removes the arrays from a report once the sweep has seen them: Tune saves the last report of every trial."""

    def on_trial_result(
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Trial],  # noqa: ARG002
        trial: Trial,  # noqa: ARG002
        result: dict[str, Any],
        **info: Any,  # noqa: ARG002
    ) -> None:
        for name in [name for name in result if name.startswith(PICTURES)]:
            del result[name]


def _folder(trial: Trial) -> str:
    return str(trial.config["spec"].id).replace("/", "-")


def run(
    sweep: Sweep,
    workers: Workers,
    provider: DataProvider,
    storage: Path,
    places: Places | None = None,
    remote: Folder | None = None,
    actor: type[tune.Trainable] = TrialActor,
) -> None:
    """Run a sweep to its end on the connected Ray; re-raise an error of the sweep or its observers.

    `places` returns how many trials an autoscaling cluster holds now, which limits the number of running trials.
    `remote` is the bucket folder for the trials' checkpoints and models, if they go to a bucket.
    """
    # One per slot; Tune's default with a custom searcher is one in all.
    os.environ |= _SETTINGS | {"TUNE_MAX_PENDING_TRIALS_PG": str(min(sweep.concurrent, MOST_STARTING))}
    # Tune logs pages for each dead process; the trial restarts, or its record holds the reason.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    bundle = {"CPU": workers.cpus} | ({"GPU": workers.gpus} if workers.gpus else {})
    if workers.count > 1:
        # The actor only follows its worker group, which has its own placement group. It must reserve something, but
        # nothing that its workers need, so it reserves a trace of the head node's own resource.
        bundle = {HEAD: 0.001}

    def spec(job: Job) -> TrialSpec:
        return TrialSpec.of(job, provider, workers, storage / "train", remote)

    trap = ErrorTrap()
    watches = [
        *([OrphanedPlacementGroups()] if workers.count > 1 else []),
        *([AutoscalerWatch(places, trap)] if places else []),
    ]
    tuner = tune.Tuner(
        tune.with_resources(actor, PlacementGroupFactory([bundle])),
        tune_config=tune.TuneConfig(
            num_samples=-1,
            search_alg=SweepSearcher(sweep, trap, spec, places),
            scheduler=SweepScheduler(sweep, trap),
            reuse_actors=True,
            trial_dirname_creator=_folder,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(storage),
            verbose=0,
            callbacks=[trap, DropImages(), FlushCallback(sweep, trap), *watches],
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    with _ctrl_c_given_back():
        tuner.fit()
    trap.check()


@contextmanager
def _ctrl_c_given_back() -> Iterator[None]:
    """Tune leaves a handler behind that swallows the first Ctrl-C after its end, so the former one is put back."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)
