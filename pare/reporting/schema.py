"""The columns of the tables: name, type, meaning and unit; the last two are field metadata of the Parquet files."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, get_type_hints

import pyarrow as pa

from pare.config import Run
from pare.data.task import Metric
from pare.reporting.records import describe
from pare.reporting.scalars import FIGURES, TEST, Figure

TIME = pa.timestamp("us", tz="UTC")
TRIALS, CURVES, RACE, CONFIRM, PUBLISHED = "trials", "curves", "race", "confirm", "published"
BASELINES = "baselines"


@functools.cache
def schema(table: str, metric: Metric | None = None) -> Any:
    """Return the schema of a table; given a task's metric, its columns carry the metric's unit."""
    columns = _COLUMNS[table](metric)
    return pa.schema(columns, metadata={"metric": describe(metric)} if metric else None)


def leaderboard() -> Any:
    """Return the schema of `leaderboard.parquet`; the column `unit` holds a figure's unit, which differs by task."""
    return pa.schema(
        [
            _field("task", pa.string(), "Name of the task"),
            _field("method", pa.string(), "Method; constant is the best prediction that ignores the input"),
            _field("trials", pa.int64(), "Search trials", "trials"),
            _field("epochs", pa.int64(), "Epochs of the search trials", "epochs"),
            _field("seconds", pa.float64(), "Slot-seconds of the search trials", "s"),
            _field("pruned", pa.int64(), "Search trials ended early as unpromising", "trials"),
            _field("failed", pa.int64(), "Search trials that failed", "trials"),
            _field(
                "validation", pa.float64(), "Mean over seeds; without a confirmation the best of the search", "unit"
            ),
            _field("default", pa.float64(), "Validation of the published configuration on the same seeds", "unit"),
            _field("overtuned", pa.bool_(), "Whether the chosen configuration is worse than the published one there"),
            _field("test", pa.float64(), "Mean over seeds", "unit"),
            _field("spread", pa.float64(), "Standard deviation of test over seeds", "unit"),
            _field("seeds", pa.int64(), "Confirmation runs behind the means", "runs"),
            _field("difference", pa.float64(), "Mean of test minus nft's on the same seeds", "unit"),
            _field("difference_low", pa.float64(), "Lower end of its 95 % interval (paired, Student's t)", "unit"),
            _field("difference_high", pa.float64(), "Upper end of its 95 % interval", "unit"),
            _field("provenance", pa.string(), "Of the data: real, generated or simulated"),
            _field("labels", pa.int64(), "Training labels that --labels bought; empty: all"),
            _field("body", pa.string(), "Weights of the body at the start: random or pretrained"),
            _field("published", pa.float64(), "Published test metric of the same method", "unit"),
            _field("source", pa.string(), "Where it was published"),
            _field("comparable", pa.string(), "Whether test may be compared with it, and why not"),
            _field("gpu_hours", pa.float64(), "Search and confirmation", "GPU-hours"),
            _field("metric", pa.string(), "Name of the metric"),
            _field("direction", pa.string(), "minimize or maximize"),
            _field("unit", pa.string(), "Unit of the metric"),
        ]
    )


def _trials(metric: Metric | None) -> list[Any]:
    return [
        *_identity(),
        _field("state", pa.string(), "running, complete, pruned or failed"),
        _field("why", pa.string(), "The reason of a failed trial, or the cap that cut one short"),
        _field("epochs", pa.int64(), "Epochs finished", "epochs"),
        _measured("objective", FIGURES["objective"], metric),
        *_costs(),
        _field("started", TIME, "When it began", "UTC"),
        _field("ended", TIME, "When it ended", "UTC"),
        _field("seed", pa.int64(), "Seed of the run"),
        *_circumstances(),
    ]


def _curves(metric: Metric | None) -> list[Any]:
    purpose = _field("purpose", pa.string(), "search, race, confirm or published")
    return [*_identity(), purpose, *(_measured(name, figure, metric) for name, figure in FIGURES.items())]


def _confirm(metric: Metric | None) -> list[Any]:
    tested = [
        _measured("test", TEST, metric),
        _field("also", pa.map_(pa.string(), pa.float64()), "The task's further metrics of the test, by name"),
    ]
    return _validated(metric, tested)


def _validated(metric: Metric | None, tested: Sequence[Any] = ()) -> list[Any]:
    return [
        *_identity(),
        _field("seed", pa.int64(), "Seed of the run"),
        _field("state", pa.string(), "complete, pruned (by a cap) or failed"),
        _field("why", pa.string(), "The reason of a failed run, or the cap that cut one short"),
        _measured("validation", FIGURES["objective"], metric),
        *tested,
        _field("epochs", pa.int64(), "Epochs finished", "epochs"),
        *_costs(),
        *_circumstances(),
    ]


def _baselines(metric: Metric | None) -> list[Any]:
    return [
        _field("baseline", pa.string(), "What predicts: constant, or the task's own baseline by its name"),
        _measured("validation", FIGURES["val_metric"], metric),
        _measured("test", TEST, metric),
    ]


def _identity() -> list[Any]:
    trial = _field("trial", pa.string(), "Name, unique within the task")
    return [trial, _field("method", pa.string(), "Fine-tuning method")]


def _costs() -> list[Any]:
    seconds = _field("seconds", pa.float64(), "Spent in training and validation", "s")
    return [seconds, _field("gpu_hours", pa.float64(), "GPUs held times hours", "GPU-hours")]


def _circumstances() -> list[Any]:
    return [
        _field("provenance", pa.string(), "Of the data: real, generated or simulated"),
        _field("body", pa.string(), "Weights of the body at the start: random or pretrained"),
        *_config(Run, "config."),
    ]


def _config(config: Any, prefix: str) -> list[Any]:
    """Return a column for every setting of a run, of the setting's type."""
    kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    columns: list[Any] = []
    for name, kind in get_type_hints(config).items():
        if dataclasses.is_dataclass(kind):
            columns += _config(kind, f"{prefix}{name}.")
        else:
            setting = f"{prefix}{name}".removeprefix("config.")
            columns.append(_field(prefix + name, kinds.get(kind, pa.string()), f"Setting {setting} of the run"))
    return columns


def _measured(name: str, figure: Figure, metric: Metric | None) -> Any:
    description, unit = figure.description, figure.unit
    if unit == "metric" and metric:
        description, unit = f"{description}: {describe(metric)}", metric.unit
    return _field(name, pa.int64() if figure.whole else pa.float64(), description, unit)


def _field(name: str, kind: Any, description: str, unit: str = "") -> Any:
    return pa.field(name, kind, metadata={"description": description, "unit": unit})


_COLUMNS = {
    TRIALS: _trials,
    CURVES: _curves,
    RACE: _validated,
    CONFIRM: _confirm,
    PUBLISHED: _validated,
    BASELINES: _baselines,
}
