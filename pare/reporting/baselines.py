"""`OUT/<task>/baselines.parquet`: what needs no training of ours, a row per baseline of the task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pare.data.baselines import Score, scores
from pare.data.store import Prepared
from pare.data.task import Metric, Task
from pare.layout import SweepDir
from pare.reporting import schema, tables


def path(out: Path, task: str) -> Path:
    """Where the baselines of a task are."""
    return SweepDir(out).task(task).table(schema.BASELINES)


def measure(out: Path, task: Task, data: Prepared) -> None:
    """Fit and measure the baselines of a task, and write what they reached."""
    write(out, task.name, task.metric, scores(task, data))


def write(out: Path, task: str, metric: Metric, reached: Sequence[Score]) -> None:
    """Write what the baselines of a task reached."""
    rows = [{"baseline": each.name, "validation": each.validation, "test": each.test} for each in reached]
    tables.write(rows, schema.schema(schema.BASELINES, metric), path(out, task))


def read(out: Path) -> dict[str, list[Score]]:
    """What the baselines of each task reached.

    Raises:
        DataError: a table is damaged; names the file.
    """
    found: dict[str, list[Score]] = defaultdict(list)
    for row in tables.load(out, schema.BASELINES).to_pylist():
        found[row["task"]].append(Score(row["baseline"], row["validation"], row["test"]))
    return found
