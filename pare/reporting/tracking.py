"""Tracks trials in MLflow or Weights & Biases: one run per trial, with its settings, figures and state.

Both are extras. Their own variables set their storage and credentials: `MLFLOW_TRACKING_URI`, `WANDB_MODE`,
`WANDB_API_KEY`.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Mapping
from typing import Any, Literal

from pare.errors import RequestError
from pare.reporting.records import Observer, Record
from pare.reporting.scalars import FIGURES, TEST

Tracker = Literal["mlflow", "wandb"]


def require(name: Tracker) -> None:
    """Check that a tracker is installed.

    Raises:
        RequestError: its package is not installed.
    """
    if importlib.util.find_spec(name) is None:
        raise RequestError(f"--track is {name!r}: install it by pip install 'pare-sweep[{name}]'")


def tracker(name: Tracker, sweep: str) -> Observer:
    """Return the observer that tracks the trials of the sweep `sweep`."""
    kinds: dict[Tracker, type[MLflow] | type[Wandb]] = {"mlflow": MLflow, "wandb": Wandb}
    return kinds[name](importlib.import_module(name), sweep)


class MLflow:
    """Writes an experiment per sweep and task; a trial that restarts continues its run."""

    def __init__(self, package: Any, sweep: str) -> None:
        self._client = package.MlflowClient()
        self._sweep = sweep
        self._runs: dict[tuple[str, str], str] = {}

    def begin(self, record: Record) -> None:
        self._run(record)

    def epoch(self, record: Record, figures: Mapping[str, Any]) -> None:
        for tag, value in _scalars(figures).items():
            self._client.log_metric(self._run(record), tag, value, step=int(figures["epoch"]))

    def end(self, record: Record) -> None:
        run = self._run(record)
        if record.test is not None:
            self._client.log_metric(run, str(TEST.tag), record.test, step=record.epochs)
        self._client.set_tag(run, "state", record.state)
        self._client.set_terminated(run, "FAILED" if record.state == "failed" else "FINISHED")
        del self._runs[record.task, record.trial]

    def _run(self, record: Record) -> str:
        key = record.task, record.trial
        if key not in self._runs:
            name = f"{self._sweep}/{record.task}"
            known = self._client.get_experiment_by_name(name)
            experiment = known.experiment_id if known else self._client.create_experiment(name)
            earlier = self._client.search_runs([experiment], f"tags.trial = '{record.trial}'")
            if earlier:
                self._runs[key] = earlier[0].info.run_id
                self._client.update_run(self._runs[key], status="RUNNING")
            else:
                tags = {"trial": record.trial, **_facts(record)}
                run = self._client.create_run(experiment, run_name=record.trial, tags=tags)
                self._runs[key] = run.info.run_id
                for setting, value in record.config.items():
                    self._client.log_param(self._runs[key], setting, value)
        return self._runs[key]


class Wandb:
    """Writes a project per sweep, grouped by task; a trial that restarts continues its run."""

    def __init__(self, package: Any, sweep: str) -> None:
        self._package, self._sweep = package, sweep
        self._runs: dict[tuple[str, str], Any] = {}

    def begin(self, record: Record) -> None:
        self._run(record)

    def epoch(self, record: Record, figures: Mapping[str, Any]) -> None:
        self._run(record).log(_scalars(figures), step=int(figures["epoch"]))

    def end(self, record: Record) -> None:
        run = self._run(record)
        if record.test is not None:
            run.summary[TEST.tag] = record.test
        run.summary["state"] = record.state
        run.finish(exit_code=1 if record.state == "failed" else 0)
        del self._runs[record.task, record.trial]

    def _run(self, record: Record) -> Any:
        key = record.task, record.trial
        if key not in self._runs:
            self._runs[key] = self._package.init(
                project=self._sweep,
                group=record.task,
                name=record.trial,
                id=f"{self._sweep}-{record.task}-{record.trial}",
                config=dict(record.config),
                tags=[f"{name}:{value}" for name, value in _facts(record).items()],
                resume="allow",
                reinit="create_new",  # allows several runs at once
                settings=self._package.Settings(silent=True, console="off"),
            )
        return self._runs[key]


def _facts(record: Record) -> dict[str, str]:
    return {"task": record.task, "method": record.method, "purpose": record.purpose, "data": record.provenance}


def _scalars(figures: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures that TensorBoard shows, under its tags."""
    named = {FIGURES[name].tag: value for name, value in figures.items() if name in FIGURES and value is not None}
    return {tag: float(value) for tag, value in named.items() if tag and math.isfinite(value)}
