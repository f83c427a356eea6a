"""The leaderboard as files and on a terminal: a table per task, and what to conclude from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from pare import files, tasks
from pare.data.task import Task
from pare.layout import SweepDir
from pare.reporting import schema, tables
from pare.reporting.comparison import REFERENCE, conclusions
from pare.reporting.entries import Entry, build
from pare.reporting.records import PROVENANCE, describe


def write(out: Path) -> list[Entry]:
    """Write `leaderboard.parquet` and `leaderboard.md` from the tables in `out`; return their rows.

    Raises:
        DataError: a table is damaged; the message names the file.
    """
    rows = build(out)
    tables.write((asdict(row) for row in rows), schema.leaderboard(), SweepDir(out).leaderboard)
    files.write_text(SweepDir(out).leaderboard_page, markdown(rows, conclusions(out)))
    return rows


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
