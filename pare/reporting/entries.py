"""The rows of the leaderboard: each method's scores per task, beside the baselines and the published figure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pare import tasks
from pare.data.baselines import Score
from pare.data.labels import parse
from pare.data.task import Provenance, Task
from pare.reporting import baselines, schema, tables
from pare.reporting.best_model import folder_of
from pare.reporting.comparison import REFERENCE, against_default, comparable, paired, published_figure


@dataclass(frozen=True)
class Entry:
    """A method's row for a task, in the columns of `leaderboard.parquet`; see `pare.reporting.schema.leaderboard`."""

    task: str
    method: str
    trials: int
    epochs: int
    seconds: float
    pruned: int
    failed: int
    validation: float | None
    default: float | None
    overtuned: bool
    test: float | None
    spread: float | None
    seeds: int
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    provenance: Provenance
    labels: int | None
    body: str
    published: float | None
    source: str
    comparable: str
    gpu_hours: float
    metric: str
    direction: str
    unit: str


def build(out: Path) -> list[Entry]:
    """Build the rows of the leaderboard, task by task, best test metric first, untested methods last."""
    names = (schema.TRIALS, schema.CONFIRM, schema.PUBLISHED, schema.RACE)
    trials, confirm, published, race = (tables.load(out, table).to_pylist() for table in names)
    reached = baselines.read(out)
    rows: list[Entry] = []
    for name in sorted({row["task"] for row in trials + confirm}):
        task = tasks.get(name)
        its = [[row for row in table if row["task"] == name] for table in (trials, confirm, published, race)]
        own = [_row(task, method, *its) for method in dict.fromkeys(row["method"] for row in its[0] + its[1])]
        own += [_baseline(task, own[-1], score) for score in reached.get(name, ())]
        sign = 1 if task.metric.direction == "minimize" else -1
        rows += sorted(own, key=lambda row: (row.test is None, sign * (row.test or 0.0)))
    return rows


def _row(
    task: Task,
    method: str,
    trials: Sequence[tables.Row],
    confirm: Sequence[tables.Row],
    published_runs: Sequence[tables.Row],
    race: Sequence[tables.Row],
) -> Entry:
    """Summarise a task's trials, and its runs after the search, for a method."""
    reference = [row for row in confirm if row["method"] == REFERENCE != method]
    trials, confirm, defaults, race = (
        [row for row in table if row["method"] == method] for table in (trials, confirm, published_runs, race)
    )
    # A confirmation's cost includes that of the race, in which the same run began.
    after = {(row["seed"], folder_of(row)): row["gpu_hours"] for row in [*race, *defaults, *confirm]}
    states = [trial["state"] for trial in trials]
    tested = [run for run in confirm if run["test"] is not None]
    tests = [run["test"] for run in tested]
    validations = [run["validation"] for run in tested]
    if not tested:
        best = min if task.metric.direction == "minimize" else max
        complete = [t["objective"] for t in trials if t["state"] == "complete" and t["objective"] is not None]
        validations = [best(complete)] if complete else []
    last = (tested or confirm or trials)[-1]
    default, overtuned = against_default(task.metric, tested, defaults)
    difference, low, high = paired(tested, reference)
    published = published_figure(task, method)
    return Entry(
        task=task.name,
        method=method,
        trials=len(trials),
        epochs=sum(row["epochs"] for row in trials),
        seconds=sum(row["seconds"] for row in trials),
        pruned=states.count("pruned"),
        failed=states.count("failed"),
        validation=statistics.fmean(validations) if validations else None,
        default=default,
        overtuned=overtuned,
        test=statistics.fmean(tests) if tests else None,
        spread=statistics.stdev(tests) if len(tests) > 1 else None,
        seeds=len(tests),
        difference=difference,
        difference_low=low,
        difference_high=high,
        provenance=last["provenance"],
        labels=labels_of(last),
        body=last["body"],
        published=published.value if published else None,
        source=f"{published.method}: {published.source}" if published else "",
        comparable=comparable(last["provenance"], labels_of(last), published),
        gpu_hours=sum(row["gpu_hours"] for row in trials) + sum(after.values()),
        **_measure(task),
    )


def labels_of(row: tables.Row) -> int | None:
    """Return the training labels that a run had, None for all."""
    budget = parse(row["config.data"] or "")[1]
    return budget.labels if budget else None


def _baseline(task: Task, beside: Entry, score: Score) -> Entry:
    """Return the row of a baseline, which has the same data as the method `beside`."""
    published = next((figure for figure in task.published if figure.method == score.name), None)
    return Entry(
        task=task.name,
        method=score.name,
        trials=0,
        epochs=0,
        seconds=0.0,
        pruned=0,
        failed=0,
        validation=score.validation,
        default=None,
        overtuned=False,
        test=score.test,
        spread=None,
        seeds=0,
        difference=None,
        difference_low=None,
        difference_high=None,
        provenance=beside.provenance,
        labels=beside.labels,
        body="",
        published=published.value if published else None,
        source=published.source if published else "",
        comparable=comparable(beside.provenance, beside.labels, published),
        gpu_hours=0.0,
        **_measure(task),
    )


def _measure(task: Task) -> dict[str, Any]:
    return {"metric": task.metric.name, "direction": task.metric.direction, "unit": task.metric.unit}
