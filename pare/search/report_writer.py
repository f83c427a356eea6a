"""Writes a sweep's report while it runs, with what only the studies and the request know.

While the sweep runs, a child process renders the report from the files of OUT, so that the driver's slots do not wait;
the driver only starts one now and then. `python -m pare.search.report_writer` is that process.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from pare import tasks
from pare.data.task import Direction
from pare.layout import SweepDir
from pare.reporting import report, schema, tables
from pare.reporting.records import Record
from pare.reporting.report import Context, Importance
from pare.search.request import PYTHON, Request
from pare.search.study.halving import METHOD
from pare.search.study.storage import read_trials, sqlite

if TYPE_CHECKING:  # its imports take longer than writing a report
    from pare.search.plans import TaskPlan

INTERVAL = 30.0
"""Least seconds between the end of one report and the start of the next; `_SHARE` times a report's own if longer."""

_SHARE = 20
_LEAST = 6
"""Minimum number of trials for a measure of importance."""

_FANOVA = 100
"""Trials up to which fANOVA is used: with few it tells more than PED-ANOVA; with 1,000 it takes 40 s, not .1 s."""


class ReportWriter:
    """Updates `report.html` from the tables when a trial has ended; among the observers it comes after their writer.

    A failed update is a warning and is retried; `write`, at the end, raises the error.
    """

    def __init__(self, out: Path, script: str, plans: Sequence[TaskPlan]) -> None:
        self._out, self._script, self._plans = out, script, plans
        self._child: subprocess.Popen[bytes] | None = None
        self._began = self._next = time.monotonic()
        self._tidy()

    def begin(self, record: Record) -> None:
        """Do nothing: a new trial appears in the report when the next trial ends."""

    def epoch(self, record: Record, figures: Mapping[str, Any]) -> None:
        """Do nothing, see `begin`."""

    def end(self, record: Record) -> None:  # noqa: ARG002 - the tables hold it
        if self._child is not None and self._child.poll() is not None:
            self._finish()
        if self._child is None and time.monotonic() >= self._next:
            self._start()

    def write(self) -> Path:
        """Write the current report in this process."""
        found = {
            plan.task.name: importance(plan.task.metric.direction, plan.study.methods[0], plan.study.ended())
            for plan in self._plans
        }
        return _write(self._out, command(self._out, self._script), self._left(), found)

    def close(self) -> None:
        """End the process that writes a report, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._errors.close()
            self._child = None
            self._tidy()

    def _tidy(self) -> None:
        """Remove the temporary files of a process that was ended while it wrote a report."""
        for half in self._out.glob(f".{report.NAME}.*.tmp"):
            half.unlink(missing_ok=True)

    def _left(self) -> int:
        return sum(plan.study.left for plan in self._plans)

    def _start(self) -> None:
        """Start a process that writes the report. It ends with this process, which closes its standard input."""
        order = {
            "out": str(self._out),
            "command": command(self._out, self._script),
            "left": self._left(),
            "own": [[own.path, own.text] for own in tasks.definitions()],
            "studies": {p.task.name: [p.study.methods[0], p.study.name, p.study.storage] for p in self._plans},
        }
        self._began, self._errors = time.monotonic(), tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is read
        self._child = subprocess.Popen(
            [sys.executable, "-m", "pare.search.report_writer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for the driver
        )
        assert self._child.stdin is not None  # noqa: S101 - a pipe
        with contextlib.suppress(BrokenPipeError):  # it died at once; `_finish` reports why
            self._child.stdin.write(json.dumps(order).encode() + b"\n")
            self._child.stdin.flush()

    def _finish(self) -> None:
        """Record the process's end and warn of its errors."""
        assert self._child is not None  # noqa: S101 - only called with one
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        self._errors.close()
        self._child.communicate()
        code, self._child = self._child.returncode, None
        now = time.monotonic()
        self._next = now + max(INTERVAL, _SHARE * (now - self._began))
        if code:
            warnings.warn(f"{report.NAME} was not written: {said[-1] if said else 'its process died'}", stacklevel=2)


def main() -> None:
    """Write the report requested by a line on standard input, unless the driver that sent it dies meanwhile."""
    os.nice(10)  # the trials' work comes first
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_die_with_the_driver, daemon=True).start()
    tasks.adopt(tasks.Definition(*own) for own in order["own"])
    found = {
        task: importance(tasks.get(task).metric.direction, method, read_trials(storage, name) if storage else [])
        for task, (method, name, storage) in order["studies"].items()
    }
    _write(Path(order["out"]), order["command"], order["left"], found)


def _die_with_the_driver() -> None:
    os.read(sys.stdin.fileno(), 1)  # no more input comes: this returns when the driver closes its end
    os._exit(1)


def _write(out: Path, command_line: str, left: int, found: Mapping[str, Importance | None]) -> Path:
    known = {task: each for task, each in found.items() if each is not None}
    return report.write(out, Context(command_line, left, known))


def rewrite(out: Path) -> Path:
    """Write the report of the sweep in `out` from its files alone, whether its driver runs or not."""
    asked = json.loads(SweepDir(out).manifest.read_text(encoding="utf-8"))
    trials = tables.load(out, schema.TRIALS).select(["task", "state"]).to_pylist()
    found = {}
    for name in dict.fromkeys(row["task"] for row in trials):
        study = SweepDir(out).task(name).study
        ended = read_trials(sqlite(study), name) if study.is_file() else []
        method = (asked["request"]["methods"] or ["pare"])[0]
        found[name] = importance(tasks.get(name).metric.direction, method, ended)
    running = sum(row["state"] == "running" for row in trials)
    return _write(out, command(out, asked["script"]), running, found)


def importance(direction: Direction, method: str, ended: Sequence[FrozenTrial]) -> Importance | None:
    """Measure each setting's importance over the ended trials of a method; None while too few can be compared.

    Pruned trials count too: all trials are compared by their value after the same epoch, the last that half of them
    reached. Only settings that all of them have are measured.
    """
    trials = [t for t in ended if t.user_attrs.get(METHOD) == method and t.intermediate_values]
    reached = sorted((max(trial.intermediate_values) for trial in trials), reverse=True)
    if len(reached) < _LEAST:
        return None
    epoch = reached[max(_LEAST, len(reached) // 2) - 1]
    compared = [_at(trial, epoch) for trial in trials if epoch in trial.intermediate_values]
    if len({trial.value for trial in compared}) < 2 or len(compared) < _LEAST:
        return None
    study = optuna.create_study(direction=direction)
    study.add_trials(compared)
    few = len(compared) <= _FANOVA
    evaluator = FanovaImportanceEvaluator(seed=0) if few else PedAnovaImportanceEvaluator()
    shares = get_param_importances(study, evaluator=evaluator)
    if not shares:
        return None
    what = "fANOVA: share of the variance that each explains" if few else "PED-ANOVA: share in reaching the best tenth"
    note = (
        f"{what}; over {len(compared)} trials of {method}, by their best validation metric after epoch {epoch}; "
        "settings that only some of them have are left out."
    )
    return Importance({name: float(share) for name, share in shares.items()}, note)


def _at(trial: FrozenTrial, epoch: int) -> FrozenTrial:
    """Return the trial as if it had ended after `epoch`."""
    return optuna.create_trial(
        state=TrialState.COMPLETE,
        value=trial.intermediate_values[epoch],
        params=trial.params,
        distributions=trial.distributions,
    )


def command(out: Path, script: str) -> str:
    """Return the command of the sweep in `out`, from its manifest: every option that is not at its default."""
    manifest = json.loads(SweepDir(out).manifest.read_text(encoding="utf-8"))
    defaults = json.loads(json.dumps(asdict(Request())))
    # Options of one script alone, such as --data, have no default here.
    asked = manifest["request"].items()
    given = {name: value for name, value in asked if value != defaults.get(name) and value not in (None, [])}
    program = manifest.get("program", f"python sweeps/{script}.py")
    if program == PYTHON or given.get("tasks") == [given.get("name")]:  # the task is the data, and not asked for
        (name,) = given.pop("tasks")
        given |= {"name": name} if name != script else {}
    if program == PYTHON:
        return f"{PYTHON}({', '.join(['x', 'y', *(f'{name}={value!r}' for name, value in given.items())])})"
    words = []
    for name, value in given.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", *map(str, value if isinstance(value, list) else [value])]
    return f"{program} {shlex.join(words)}".rstrip()


if __name__ == "__main__":
    main()
