"""Tables for machines: trials, curves and confirmation runs of each task, which can be read at any moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pare import tasks
from pare.data.task import Task
from pare.errors import DataError
from pare.layout import SweepDir
from pare.reporting import parts
from pare.reporting.parts import GrowingTable
from pare.reporting.records import Record
from pare.reporting.scalars import FIGURES
from pare.reporting.schema import CONFIRM, CURVES, PUBLISHED, RACE, TRIALS, schema

Row = dict[str, Any]


@dataclass(frozen=True)
class SweepTables:
    """A sweep's measurements over all tasks: a row per search trial, per epoch, and per confirmation run.

    `published` are runs of the published configuration on the seeds of the confirmation, by validation only; `race` are
    those of the best trials and the published configuration from which the confirmed one was chosen.
    """

    trials: pd.DataFrame
    curves: pd.DataFrame
    confirm: pd.DataFrame
    published: pd.DataFrame
    race: pd.DataFrame


def read(out: Path | str) -> SweepTables:
    """Read the tables of the sweep in `out`, with a leading column `task`; empty if nothing has begun.

    Raises:
        DataError: there is no sweep in `out`, or a table is damaged; the message names the file.
    """
    out = Path(out)
    if not SweepDir(out).manifest.exists() and not parts.folders(out, TRIALS):
        raise DataError(f"{out} holds no {TRIALS}.parquet of any task: give the --out of a sweep that has begun")
    return SweepTables(
        *(load(out, name).to_pandas(maps_as_pydicts="strict") for name in (TRIALS, CURVES, CONFIRM, PUBLISHED, RACE))
    )


def load(out: Path, table: str) -> Any:
    """Load a table (see `pare.reporting.schema`) as an Arrow table over all tasks, empty if there is none.

    Raises:
        DataError: a table is damaged; the message names the file.
    """
    columns = schema(table)
    found = [pa.schema([pa.field("task", pa.string()), *columns]).empty_table()]
    for folder in parts.folders(out, table):
        own = parts.read(folder, table, columns)
        found.append(own.add_column(0, "task", pa.repeat(pa.scalar(folder.name, pa.string()), len(own))))
    return pa.concat_tables([each.replace_schema_metadata(None) for each in found])


def write(rows: Iterable[Row], columns: Any, path: Path) -> None:
    """Write rows to a Parquet file atomically: `path` holds the whole new file or the old one."""
    parts.write(pa.Table.from_pylist(list(rows), columns), path)


class Tables:
    """Writes the tables of a sweep below `out` while it runs, a row at a time; after `close` each is one file.

    Rows of earlier sessions stay. A trial that restarts replaces its row, and its curve from the first epoch that it
    reports again. A confirmation that goes on from its race's checkpoint has the race's epochs in its curve.

    Raises:
        DataError: a table of an earlier session is damaged; the message names the file.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._grown: dict[tuple[str, str], GrowingTable] = {}
        for table in (TRIALS, CURVES, CONFIRM, PUBLISHED, RACE):
            for folder in parts.folders(out, table):
                self._table(tasks.get(folder.name), table)

    def begin(self, record: Record) -> None:
        if record.purpose == "search":
            self._table(record.target, TRIALS).append(_row(record))
        elif record.continues:
            self._take_over(record)

    def epoch(self, record: Record, figures: Mapping[str, Any]) -> None:
        self._table(record.target, CURVES).append(_point(record, figures))

    def end(self, record: Record) -> None:
        table = TRIALS if record.purpose == "search" else record.purpose
        self._table(record.target, table).append(_row(record) | {"validation": record.objective})

    def close(self) -> None:
        """Merge each table into one file."""
        for table in self._grown.values():
            table.close()

    def _take_over(self, record: Record) -> None:
        """Begin the curve of a run with the epochs of the one that it continues, unless it has begun already."""
        known = self._table(record.target, CURVES)
        rows = parts.read(self.out / record.task, CURVES, schema(CURVES))
        if record.trial not in rows["trial"].to_pylist():
            for row in rows.filter(pc.equal(rows["trial"], record.continues)).to_pylist():
                known.append(row | {"trial": record.trial, "purpose": record.purpose})

    def _table(self, task: Task, table: str) -> GrowingTable:
        key = task.name, table
        if key not in self._grown:
            self._grown[key] = GrowingTable(self.out / task.name, table, schema(table, task.metric))
        return self._grown[key]


def _row(record: Record) -> Row:
    """Convert a record to a row of all possible columns; a table's schema selects its own."""
    return vars(record) | {f"config.{name}": value for name, value in record.config.items()}


def _point(record: Record, figures: Mapping[str, float]) -> Row:
    known = {name: figures[name] for name in FIGURES if figures.get(name) is not None}
    counted = {name: int(value) for name, value in known.items() if FIGURES[name].whole}
    return {"trial": record.trial, "method": record.method, "purpose": record.purpose, **known, **counted}


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a Parquet file.

    Raises:
        DataError: it is damaged; the message names the file.
    """
    return parts.read_parquet(path).to_pylist(maps_as_pydicts="strict")
