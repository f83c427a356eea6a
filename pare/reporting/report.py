"""`report.html`: a self-contained page of a sweep, during the sweep and after it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import plotly.offline
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, PackageLoader, StrictUndefined

from pare import files, tasks
from pare.data.task import Task
from pare.layout import SweepDir
from pare.method.catalogue import METHODS
from pare.reporting import charts, comparison, leaderboard, schema, tables
from pare.reporting.entries import Entry, build, labels_of
from pare.reporting.records import PROVENANCE, describe

NAME = "report.html"
_ELSEWHERE = (f"− {comparison.REFERENCE} (95 %)", "data", "source", "pruned", "failed", "GPU-hours")
"""Columns left out of the leaderboard, which would be too wide: the page shows them elsewhere."""

_BEST = 10
"""Number of trials listed with their settings."""


@dataclass(frozen=True)
class Importance:
    """Importance of each searched setting, with the measure and the trials behind it."""

    shares: Mapping[str, float]
    note: str


@dataclass(frozen=True)
class Context:
    """Content of the page beyond the tables: `left` counts search trials that have not ended; importance is by task."""

    command: str
    left: int = 0
    importance: Mapping[str, Importance] = field(default_factory=dict)


def write(out: Path, context: Context) -> Path:
    """Write `report.html` from the tables in `out`, atomically.

    Raises:
        DataError: a table is damaged; the message names the file.
    """
    path = SweepDir(out).report
    files.write_text(path, render(out, context))
    return path


def render(out: Path, context: Context) -> str:
    """Render the page of the sweep in `out`."""
    trials, confirm = (tables.load(out, name).to_pylist() for name in (schema.TRIALS, schema.CONFIRM))
    curves = tables.load(out, schema.CURVES).select(["task", "trial", "epoch", "val_metric"])
    rows, said = build(out), comparison.conclusions(out)
    drawn: dict[str, charts.Chart] = {}
    sections = []
    for name in dict.fromkeys(row["task"] for row in trials + confirm):
        task = tasks.get(name)
        own, runs = ([row for row in table if row["task"] == name] for table in (trials, confirm))
        drawn_too = [row["trial"] for rows in charts.best_of_methods(task, own).values() for row in rows]
        points = curves.filter(
            (pc.field("task") == name) & pc.field("trial").isin(pa.array(drawn_too, pa.string()))
        ).to_pylist()
        section: dict[str, Any] = {
            "task": task,
            "metric": describe(task.metric),
            "provenance": {row["provenance"]: PROVENANCE[row["provenance"]] for row in own + runs},
            "labels": next((labels_of(row) for row in own + runs), None),
            "conclusions": said[name],
            "methods": {row["method"]: METHODS[row["method"]].title for row in own + runs},
            "leaderboard": [_columns(leaderboard.texts(row)) for row in rows if row.task == name],
            "published": [p for p in task.published if not p.metric],
            "differences": [(row, _verdict(row)) for row in rows if row.task == name and row.difference is not None],
            "importance": context.importance.get(name),
            "best": _best(task, own),
            "thinned": len(own) if len(own) > charts.DRAWN else 0,
            "charts": {},
        }
        made = {
            "confirmation": charts.confirmation(task, runs) if runs else None,
            "history": charts.history(task, own) if own else None,
            "curves": charts.curves(task, own, points) if own else None,
            "importance": charts.importance(context.importance[name].shares) if name in context.importance else None,
        }
        for kind, chart in made.items():
            if chart is not None and chart["data"]:
                drawn[f"{name}-{kind}"] = chart
                section["charts"][kind] = f"{name}-{kind}"
        sections.append(section)
    environment = Environment(
        loader=PackageLoader("pare.reporting", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["number"] = _number
    return environment.get_template("report.html").render(
        sweep=_json(SweepDir(out).manifest),
        spent=_json(SweepDir(out).spent),
        budget=[_spent(task, trials, confirm) for task in dict.fromkeys(row["task"] for row in trials + confirm)],
        left=context.left,
        command=context.command,
        sections=sections,
        written=datetime.now().astimezone(),
        left_aligned=leaderboard.LEFT,
        reference=comparison.REFERENCE,
        # A script element must contain no opening tag.
        charts=json.dumps(drawn, allow_nan=False).replace("<", "\\u003c"),
        plotly=plotly.offline.get_plotlyjs(),
    )


def _verdict(row: Entry) -> str:
    """Put the interval of a method's difference from the reference into words."""
    low, high = row.difference_low, row.difference_high
    if low is None or high is None or row.seeds < comparison.FEWEST:
        return "too few seeds to tell"
    if low <= 0 <= high:
        return "cannot be told apart"
    return f"{row.method if (high < 0) == (row.direction == 'minimize') else comparison.REFERENCE} is better"


def _best(task: Task, trials: Sequence[tables.Row]) -> list[dict[str, Any]]:
    """Return the best trials with the settings in which trials differ."""
    settings = [name for name in trials[0] if name.startswith("config.")] if trials else []
    differing = [name for name in settings if len({row[name] for row in trials}) > 1]
    return [
        {
            "trial": row["trial"],
            "state": row["state"],
            "epochs": row["epochs"],
            "objective": row["objective"],
            "settings": {name.removeprefix("config."): _number(row[name]) for name in differing},
        }
        for row in charts.best(task, trials)[:_BEST]
    ]


def _spent(task: str, trials: Sequence[tables.Row], confirm: Sequence[tables.Row]) -> dict[str, Any]:
    searched, confirmed = ([row for row in table if row["task"] == task] for table in (trials, confirm))
    every = [*searched, *confirmed]
    states = [row["state"] for row in searched]
    return {
        "task": task,
        "trials": len(searched),
        **{state: states.count(state) for state in ("complete", "pruned", "failed", "running")},
        "confirmed": len(confirmed),
        "epochs": sum(row["epochs"] for row in every),
        "hours": sum(row["seconds"] for row in every) / 3600,
        "gpu_hours": sum(row["gpu_hours"] for row in every),
    }


def _columns(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if name not in _ELSEWHERE}


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return content


def _number(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
