"""The report of a sweep as it goes: what only the studies and the request know of it, and when to write it."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from pare.reporting import report
from pare.reporting.records import Record
from pare.reporting.report import Context, Importance
from pare.search.request import Request
from pare.search.study.samplers import METHOD
from pare.search.sweep import TaskPlan

INTERVAL = 30.0
"""Seconds between two writings, at least; and at least `_SHARE` times what a writing takes."""

_SHARE = 100
_LEAST = 6
"""Trials that a measure of importance needs."""


class PageWriter:
    """Writes `report.html` when a trial has ended, from the tables; comes after their writer among the observers."""

    def __init__(self, out: Path, script: str, plans: Sequence[TaskPlan]) -> None:
        self._out, self._script, self._plans = out, script, plans
        self._next = time.monotonic()

    def begin(self, record: Record) -> None:
        """Nothing: what has just begun is on the page when the next trial ends."""

    def epoch(self, record: Record, figures: Mapping[str, Any]) -> None:
        """Nothing, as above."""

    def end(self, record: Record) -> None:  # noqa: ARG002 - the tables hold it
        if time.monotonic() >= self._next:
            self.write()

    def write(self) -> Path:
        """Write the page as things stand now."""
        began = time.monotonic()
        found = {plan.task.name: importance(plan) for plan in self._plans}
        context = Context(
            command(self._out, self._script),
            sum(plan.study.left for plan in self._plans),
            {task: each for task, each in found.items() if each is not None},
        )
        path = report.write(self._out, context)
        now = time.monotonic()
        self._next = now + max(INTERVAL, _SHARE * (now - began))
        return path


def importance(plan: TaskPlan) -> Importance | None:
    """Optuna's fANOVA over the trials of the plan's first method; None while too few can be compared.

    Trials that were cut short count too: every one by its value after the same epoch, the last one that half of them
    reached. Only settings that all of them have are measured.
    """
    method = plan.study.methods[0]
    trials = [t for t in plan.study.ended() if t.user_attrs.get(METHOD) == method and t.intermediate_values]
    reached = sorted((max(trial.intermediate_values) for trial in trials), reverse=True)
    if len(reached) < _LEAST:
        return None
    epoch = reached[max(_LEAST, len(reached) // 2) - 1]
    compared = [_at(trial, epoch) for trial in trials if epoch in trial.intermediate_values]
    if len({trial.value for trial in compared}) < 2 or len(compared) < _LEAST:
        return None
    study = optuna.create_study(direction=plan.task.metric.direction)
    study.add_trials(compared)
    shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    if not shares:
        return None
    note = (
        f"fANOVA over {len(compared)} trials of {method}, by their best validation metric after epoch {epoch}; "
        "settings that only some of them have are left out."
    )
    return Importance({name: float(share) for name, share in shares.items()}, note)


def _at(trial: FrozenTrial, epoch: int) -> FrozenTrial:
    """A trial as if it had ended after an epoch."""
    return optuna.create_trial(
        state=TrialState.COMPLETE,
        value=trial.intermediate_values[epoch],
        params=trial.params,
        distributions=trial.distributions,
    )


def command(out: Path, script: str) -> str:
    """The command line of the sweep in `out`, from its record: every option that is not at its default."""
    asked = json.loads((out / "sweep.json").read_text(encoding="utf-8"))["request"]
    words = ["python", f"sweeps/{script}.py"]
    for name, default in asdict(Request()).items():
        value = asked.get(name)
        if value is None or value == (list(default) if isinstance(default, tuple) else default):
            continue
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            values = value if isinstance(value, list) else [value]
            words += [f"--{option}", *map(str, values)]
    return shlex.join(words)
