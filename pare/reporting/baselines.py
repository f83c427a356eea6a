"""`OUT/<task>/baselines.parquet`: scores of simple baselines, a row per baseline of the task."""

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
    """Return the path of a task's baselines."""
    return SweepDir(out).task(task).table(schema.BASELINES)


def measure(out: Path, task: Task, data: Prepared) -> None:
    """Fit and measure the baselines of a task, and write their scores."""
    write(out, task.name, task.metric, scores(task, data))


def write(out: Path, task: str, metric: Metric, reached: Sequence[Score]) -> None:
    """Write the scores of a task's baselines."""
    rows = [{"baseline": each.name, "validation": each.validation, "test": each.test} for each in reached]
    tables.write(rows, schema.schema(schema.BASELINES, metric), path(out, task))


def read(out: Path) -> dict[str, list[Score]]:
    """Read the scores of each task's baselines.

    Raises:
        DataError: a table is damaged; the message names the file.
    """
    found: dict[str, list[Score]] = defaultdict(list)
    for row in tables.load(out, schema.BASELINES).to_pylist():
        found[row["task"]].append(Score(row["baseline"], row["validation"], row["test"]))
    return found
