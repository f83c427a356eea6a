"""Where Ray Tune meets a sweep: three thin adapters, and the call that runs them.

Tune places trials on the cluster, reuses their actors and restarts those whose node died. What a trial is, whether it
goes on and how it ended is the sweep's to say.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.execution.placement_groups import PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from pare.search.sweep import Sweep
from pare.search.trial import TrialActor
from pare.training.launch import Workers

RETRIES = 3
"""How often a trial whose actor or node died starts again, from its last checkpoint."""

HEAD = "node:__internal_head__"


class _Unsaved:
    """Pickled empty: Tune saves its searcher and scheduler with the experiment, and ours hold open studies and files.

    Nothing is lost, for no experiment is ever restored from Tune's snapshot: the studies are the sweep's memory.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {}


class SweepSearcher(_Unsaved, Searcher):
    """Asks the sweep for the next job, and tells it of every end."""

    def __init__(self, sweep: Sweep, shared: dict[str, Any]) -> None:
        super().__init__(metric="objective", mode="min")
        self._sweep, self._shared = sweep, shared
        self._jobs: dict[str, str] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        job = self._sweep.next()
        if job is None:
            return Searcher.FINISHED if self._sweep.finished else None
        self._jobs[trial_id] = job.id
        return {
            "job": job.id,
            "run": job.run.flat(),
            "purpose": job.purpose,
            "folder": str(job.folder),
            **self._shared,
        }

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        why = str((result or {}).get("failed", ""))
        if error and not why:
            why = f"its process died, {RETRIES + 1} times in all"
        self._sweep.end(self._jobs.pop(trial_id), why)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to keep, see `_Unsaved`."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing was kept, see `_Unsaved`."""


class SweepScheduler(_Unsaved, FIFOScheduler):
    """Passes every report to the sweep and its verdict to Tune."""

    def __init__(self, sweep: Sweep) -> None:
        super().__init__()
        self._sweep = sweep

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:  # noqa: ARG002
        go_on = self._sweep.report(trial.config["job"], result)
        return TrialScheduler.CONTINUE if go_on else TrialScheduler.STOP


def _folder(trial: Trial) -> str:
    return str(trial.config["job"]).replace("/", "-")


def run(sweep: Sweep, workers: Workers, root: Path, storage: Path) -> None:
    """Run a sweep to its end on the Ray that is connected."""
    os.environ |= {
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        # A run's last report says only that it is over.
        "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
        "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    }
    bundle = {"CPU": workers.cpus} | ({"GPU": workers.gpus} if workers.gpus else {})
    if workers.count > 1:
        # The actor only follows its worker group, which brings its own placement group. It must hold something, and it
        # must not hold what its workers need: a trace of the head node's own resource.
        bundle = {HEAD: 0.001}
    shared = {
        "root": str(root),
        "workers": {"count": workers.count, "cpus": workers.cpus, "gpus": workers.gpus},
        "storage": str(storage / "train"),
    }
    tuner = tune.Tuner(
        tune.with_resources(TrialActor, PlacementGroupFactory([bundle])),
        tune_config=tune.TuneConfig(
            num_samples=-1,
            search_alg=SweepSearcher(sweep, shared),
            scheduler=SweepScheduler(sweep),
            reuse_actors=True,
            trial_dirname_creator=_folder,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(storage),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    tuner.fit()
