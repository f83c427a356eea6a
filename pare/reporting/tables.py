"""Tables for machines: trials, curves and confirmation runs, a Parquet file each per task, whole at any moment."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pare import tasks
from pare.errors import DataError
from pare.reporting.records import Record
from pare.reporting.scalars import FIGURES
from pare.reporting.schema import CONFIRM, CURVES, PUBLISHED, TRIALS, schema

Row = dict[str, Any]


@dataclass(frozen=True)
class SweepTables:
    """All that a sweep has measured, over its tasks: a row per search trial, per epoch, and per confirmation run.

    `published` are runs of the published configuration on the seeds of the confirmation, by validation only.
    """

    trials: pd.DataFrame
    curves: pd.DataFrame
    confirm: pd.DataFrame
    published: pd.DataFrame


def read(out: Path | str) -> SweepTables:
    """The tables of the sweep in `out`, with a leading column `task`; empty where nothing has begun.

    Raises:
        DataError: there is no sweep in `out`, or a table is damaged; names the file.
    """
    out = Path(out)
    if not (out / "sweep.json").exists() and not any(out.glob(f"*/{TRIALS}.parquet")):
        raise DataError(f"{out} holds no {TRIALS}.parquet of any task: give the --out of a sweep that has begun")
    return SweepTables(
        *(load(out, name).to_pandas(maps_as_pydicts="strict") for name in (TRIALS, CURVES, CONFIRM, PUBLISHED))
    )


def load(out: Path, table: str) -> Any:
    """One of the tables (see `pare.reporting.schema`) as an Arrow table over all tasks, empty where there is none.

    Raises:
        DataError: a table is damaged; names the file.
    """
    columns = pa.schema([pa.field("task", pa.string()), *schema(table)])
    rows: list[Row] = []
    for path in sorted(out.glob(f"*/{table}.parquet")):
        rows += [{"task": path.parent.name, **row} for row in read_rows(path)]
    return pa.Table.from_pylist(rows, columns)


def write(rows: Iterable[Row], columns: Any, path: Path) -> None:
    """Write a Parquet file under a temporary name and rename it: there is a whole file at `path`, or the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(pa.Table.from_pylist(list(rows), columns), temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass
class _TaskTables:
    trials: dict[str, Row] = field(default_factory=dict)
    curves: dict[str, dict[int, Row]] = field(default_factory=dict)
    """By trial and epoch."""
    confirm: dict[str, Row] = field(default_factory=dict)
    published: dict[str, Row] = field(default_factory=dict)
    written: float = -math.inf
    """When the curves were last written, on the monotonic clock."""
    whole: bool = True
    """Whether the file has all of the curves."""


class Tables:
    """Writes the tables of a sweep below `out` while it runs; the curves at most every `interval` seconds in between.

    By default they are written at every epoch (24,000 rows take 0.05 s): a trial that goes on from its checkpoint does
    not tell again what a killed driver had not yet written.

    Rows of an earlier life of the sweep stay. A trial that begins again replaces its row, and from the first epoch that
    it reports again on its curve.

    Raises:
        DataError: a table of the earlier life is damaged; names the file.
    """

    def __init__(self, out: Path, interval: float = 0.0) -> None:
        self.out = out
        self.interval = interval
        self._tasks: dict[str, _TaskTables] = {}
        for path in sorted(out.glob("*/*.parquet")):
            tables = self._tasks.setdefault(path.parent.name, _TaskTables())
            if path.stem in (TRIALS, CONFIRM, PUBLISHED):
                getattr(tables, path.stem).update((row["trial"], row) for row in read_rows(path))
            elif path.stem == CURVES:
                for row in read_rows(path):
                    tables.curves.setdefault(row["trial"], {})[row["epoch"]] = row

    def begin(self, record: Record) -> None:
        tables = self._tasks.setdefault(record.task, _TaskTables())
        if record.purpose == "search":
            tables.trials[record.trial] = _row(record)
            self._write(record.task, TRIALS, tables.trials.values())

    def epoch(self, record: Record, figures: Mapping[str, Any]) -> None:
        tables = self._tasks.setdefault(record.task, _TaskTables())
        epoch = int(figures["epoch"])
        curve = tables.curves.get(record.trial, {})
        # Later epochs, if any, are of a life that the trial has left behind.
        tables.curves[record.trial] = {e: row for e, row in curve.items() if e < epoch} | {
            epoch: _point(record, figures)
        }
        tables.whole = False
        if record.purpose == "search":
            tables.trials[record.trial] = _row(record)
        if time.monotonic() - tables.written >= self.interval:
            self._write_curves(record.task, tables)

    def end(self, record: Record) -> None:
        tables = self._tasks.setdefault(record.task, _TaskTables())
        if record.purpose == "search":
            tables.trials[record.trial] = _row(record)
            self._write(record.task, TRIALS, tables.trials.values())
        else:
            table = CONFIRM if record.purpose == "confirm" else PUBLISHED
            rows = getattr(tables, table)
            rows[record.trial] = _row(record) | {"validation": record.objective}
            self._write(record.task, table, rows.values())
        if not tables.whole:
            self._write_curves(record.task, tables)

    def _write_curves(self, task: str, tables: _TaskTables) -> None:
        self._write(task, CURVES, (row for curve in tables.curves.values() for row in curve.values()))
        tables.written, tables.whole = time.monotonic(), True

    def _write(self, task: str, table: str, rows: Iterable[Row]) -> None:
        write(rows, schema(table, tasks.get(task).metric), self.out / task / f"{table}.parquet")


def _row(record: Record) -> Row:
    """Everything that a table may ask of a record; its schema picks the columns."""
    row = asdict(record)
    for moment in ("started", "ended"):
        if row[moment] is not None:
            row[moment] = row[moment].astimezone(UTC)
    return row | {f"config.{name}": value for name, value in record.config.items()}


def _point(record: Record, figures: Mapping[str, float]) -> Row:
    known = {name: figures[name] for name in FIGURES if figures.get(name) is not None}
    counted = {name: int(value) for name, value in known.items() if FIGURES[name].whole}
    return {"trial": record.trial, "method": record.method, "purpose": record.purpose, **known, **counted}


def read_rows(path: Path) -> list[Row]:
    """The rows of a Parquet file.

    Raises:
        DataError: it is damaged; names the file.
    """
    try:
        with pq.ParquetFile(path) as file:
            rows: list[Row] = file.read().to_pylist(maps_as_pydicts="strict")
            return rows
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is damaged ({reason}): restore it, or start anew with --fresh") from error
