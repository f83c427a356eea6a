"""The leaderboard: each method's scores per task, beside the constant prediction and the published figure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from pare import files, tasks
from pare.data.baselines import Score
from pare.data.labels import parse
from pare.data.task import Provenance, Task
from pare.layout import SweepDir
from pare.reporting import baselines, schema, tables
from pare.reporting.best_model import folder_of
from pare.reporting.comparison import REFERENCE, against_default, comparable, conclusions, paired, published_figure
from pare.reporting.records import PROVENANCE, describe


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


def write(out: Path) -> list[Entry]:
    """Write `leaderboard.parquet` and `leaderboard.md` from the tables in `out`; return their rows.

    Raises:
        DataError: a table is damaged; the message names the file.
    """
    rows = build(out)
    tables.write((asdict(row) for row in rows), schema.leaderboard(), SweepDir(out).leaderboard)
    files.write_text(SweepDir(out).leaderboard_page, markdown(rows, conclusions(out)))
    return rows


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


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _test(row: Entry) -> str:
    if row.test is None or not row.seeds:
        return _number(row.test)
    if not row.spread:
        return f"{_number(row.test)} ({row.seeds})"
    # Two significant digits of the spread, and the mean to the same decimals.
    decimals = max(0, 1 - math.floor(math.log10(row.spread)))
    return f"{row.test:.{decimals}f} ± {row.spread:.{decimals}f} ({row.seeds})"


def _difference(row: Entry) -> str:
    if row.difference is None or row.difference_low is None or row.difference_high is None:
        return "–" if row.difference is None else f"{row.difference:+.2g}"
    return f"{row.difference:+.2g} ({row.difference_low:+.2g} to {row.difference_high:+.2g})"


def _default_text(row: Entry) -> str:
    return _number(row.default) + (" (better!)" if row.overtuned else "")


# Columns by importance, because a narrow terminal shows only the first that fit.
_COLUMNS: Mapping[str, Callable[[Entry], str]] = {
    "method": lambda row: row.method,
    "test ± spread (n)": _test,
    f"− {REFERENCE} (95 %)": _difference,
    "validation": lambda row: _number(row.validation),
    "default": _default_text,  # flags a sweep whose tuning made it worse
    "comparable": lambda row: row.comparable,  # stands before the figure that it qualifies
    "published": lambda row: _number(row.published),
    "body": lambda row: row.body or "–",
    "trials": lambda row: str(row.trials),
    "epochs": lambda row: str(row.epochs),
    "seconds": lambda row: f"{row.seconds:.0f}",
    "GPU-hours": lambda row: f"{row.gpu_hours:.2f}",
    "pruned": lambda row: str(row.pruned),
    "failed": lambda row: str(row.failed),
    "data": lambda row: row.provenance,
    "source": lambda row: row.source or "–",
}
LEFT = ("method", "body", "comparable", "data", "source")
"""Left-aligned columns of words; the others hold figures."""


def texts(row: Entry) -> dict[str, str]:
    """Format a row for any leaderboard, by column."""
    return {name: text(row) for name, text in _COLUMNS.items()}


def render(
    rows: Sequence[Entry], width: int = 80, said: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> RenderableType:
    """Render the leaderboard for a terminal `width` columns wide: a table per task, with the columns that fit.

    Below each stands the first of what is `said` of the task.
    """
    parts: list[RenderableType] = []
    cut = False
    for task, own in _by_task(rows):
        table = _fitting(own, width)
        cut |= len(table.columns) < len(_COLUMNS)
        *heading, last = _heading(task, own)
        parts += [*map(_line, ["", *heading]), Text(last), table, *map(Text, said.get(task.name, ())[:1])]
    return Group(*parts, *([_line(""), _line("All columns are in leaderboard.md.")] if cut else []))


def markdown(rows: Sequence[Entry], said: Mapping[str, Sequence[str]] = MappingProxyType({})) -> str:
    """Format the leaderboard as a Markdown page: what is `said` of each task, and a table with all columns."""
    lines = ["# Leaderboard"]
    for task, own in _by_task(rows):
        title, *facts = _heading(task, own)
        lines += ["", f"## {title}", "", *(f"{fact}  " for fact in facts), ""]
        lines += [" ".join(said[task.name]), ""] if said.get(task.name) else []
        lines.append(f"| {' | '.join(_COLUMNS)} |")
        lines.append(f"| {' | '.join(':--' if name in LEFT else '--:' for name in _COLUMNS)} |")
        lines += [f"| {' | '.join(text(row).replace('|', '/') for text in _COLUMNS.values())} |" for row in own]
    return "\n".join(lines) + "\n"


def _by_task(rows: Sequence[Entry]) -> list[tuple[Task, list[Entry]]]:
    return [(tasks.get(name), list(own)) for name, own in groupby(rows, lambda row: row.task)]


def _heading(task: Task, rows: Sequence[Entry]) -> list[str]:
    provenances = dict.fromkeys(row.provenance for row in rows)
    data = "; ".join(f"{provenance}, {PROVENANCE[provenance]}" for provenance in provenances)
    few = [f"training labels: {row.labels:,}, the rest unused" for row in rows[:1] if row.labels]
    spent = "; ".join(f"{row.method} {row.trials}/{row.epochs}/{row.seconds:.0f}" for row in rows if row.trials)
    return [
        f"{task.title} ({task.name})",
        describe(task.metric),
        f"data: {data}",
        *few,
        *([f"search (trials/epochs/seconds): {spent}"] if spent else []),
    ]


def _line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def _fitting(rows: Sequence[Entry], width: int) -> Table:
    """Build the table with as many leading columns as fit."""
    for count in range(len(_COLUMNS), 1, -1):
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        columns = dict(list(_COLUMNS.items())[:count])
        for name in columns:
            table.add_column(name, justify="left" if name in LEFT else "right", no_wrap=True)
        for row in rows:
            table.add_row(*(Text(text(row)) for text in columns.values()))
        if Console(width=10_000).measure(table).maximum <= width:
            break
    return table
