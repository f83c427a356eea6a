"""A session's changes to a study, one line each, so that a change does not upload the whole study to a bucket.

A line is written before the database changes. In a bucket, the copy of a study and the journals beside it make up the
study: `replay` merges them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

LINES = 64
"""Lines of a full journal file; the next line starts a new file."""

PREFIX = "study-"


class StudyJournal:
    """Writes a session's journal to a folder, in files of `LINES` lines."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._session, self._lines = folder, time.time_ns(), 0

    def write(self, trial: FrozenTrial, known: FrozenTrial | None) -> None:
        """Append the changes of a trial since `known`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # Files of an earlier session come first by name.
        path = self._folder / f"{PREFIX}{self._session:020d}-{self._lines // LINES:06d}.jsonl"
        with path.open("ab", buffering=0) as file:
            file.write(json.dumps(_change(trial, known)).encode() + b"\n")
        self._lines += 1


def files(folder: Path) -> list[Path]:
    """List the journals of a folder, in order."""
    return sorted(folder.glob(f"{PREFIX}*.jsonl"))


def replay(trials: Sequence[FrozenTrial], journals: Sequence[Path]) -> Iterator[FrozenTrial]:
    """Yield the trials that journals change or add, in their new state; `trials` are the study's, by number."""
    changed: dict[int, FrozenTrial] = {}
    for path in journals:
        for line in path.read_bytes().split(b"\n")[:-1]:  # the last line is empty or incomplete
            change = json.loads(line)
            number = change["number"]
            if number not in changed:
                changed[number] = _copy(trials[number]) if number < len(trials) else _empty(number)
            _apply(changed[number], change)
    yield from (changed[number] for number in sorted(changed))


def _change(trial: FrozenTrial, known: FrozenTrial | None) -> dict[str, Any]:
    begun, ended = (moment and moment.isoformat() for moment in (trial.datetime_start, trial.datetime_complete))
    had = known or _empty(trial.number)
    return {
        "number": trial.number,
        "state": trial.state.name,
        "times": [begun, ended],
        "value": trial.value,
        "params": [] if known else [[name, trial.params[name], _json(d)] for name, d in trial.distributions.items()],
        "steps": [[s, v] for s, v in trial.intermediate_values.items() if s not in had.intermediate_values],
        "user": _new(had.user_attrs, trial.user_attrs),
        "system": _new(had.system_attrs, trial.system_attrs),
    }


def _apply(trial: FrozenTrial, change: dict[str, Any]) -> None:
    trial.state = TrialState[change["state"]]
    begun, ended = (moment and datetime.fromisoformat(moment) for moment in change["times"])
    trial.datetime_start, trial.datetime_complete = begun, ended
    if change["value"] is not None:
        trial.values = [change["value"]]
    for name, value, distribution in change["params"]:
        trial._distributions[name] = json_to_distribution(distribution)
        trial._params[name] = value
    trial.intermediate_values |= dict(change["steps"])
    trial._user_attrs |= change["user"]
    trial._system_attrs |= change["system"]


def _new(known: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in now.items() if key not in known or known[key] != value}


def _json(distribution: BaseDistribution) -> str:
    return distribution_to_json(distribution)


def _copy(trial: FrozenTrial) -> FrozenTrial:
    same = _empty(trial.number)
    same.__dict__ |= trial.__dict__
    same.intermediate_values = dict(trial.intermediate_values)
    same._user_attrs, same._system_attrs = dict(trial.user_attrs), dict(trial.system_attrs)
    return same


def _empty(number: int) -> FrozenTrial:
    return FrozenTrial(
        number=number,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=None,
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=-1,
    )
