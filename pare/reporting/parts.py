"""A growing table: its Parquet file, sealed parts, and a journal of the latest rows.

While a sweep runs, `OUT/<task>/<table>.parquet` holds the rows from before its session. Later rows are in
`OUT/<task>/parts/`, numbered from 1: `trials-000001.parquet` and so on, each of `ROWS` rows, and under the next number
a journal of JSON lines. So adding a row costs the same however many there are. At the end they become one file.

Rows are read in the order in which they were written, and a later row replaces an earlier one of the same trial or
epoch. The file stores the number of the last part that it contains: older parts, left by a dead process or in a
bucket, are not read again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pare import files
from pare.errors import DataError

ROWS = 128
"""Number of rows in a part."""

FOLDER = "parts"
_JOURNAL = ".jsonl"
_MERGED = b"parts"
"""Key of a file's metadata that holds the number of the last part in it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class GrowingTable:
    """Adds rows to the table `name` of a task's `folder`; `columns` is its schema.

    Raises:
        DataError: a file of an earlier session is damaged; the message names it.
    """

    def __init__(self, folder: Path, name: str, columns: Any) -> None:
        self._folder, self._name, self._columns = folder, name, columns
        self._lines: list[bytes] = []
        self._number = compact(folder, name, columns) + 1

    def append(self, row: Mapping[str, Any]) -> Path:
        """Add a row, whose missing columns are null; return the file that changed."""
        one = {name: row[name] for name in self._columns.names if row.get(name) is not None}
        line = json.dumps(one, default=_plain).encode()
        journal = self._path(_JOURNAL)
        journal.parent.mkdir(parents=True, exist_ok=True)
        with journal.open("ab", buffering=0) as file:
            file.write(line + b"\n")
        self._lines.append(line)
        if len(self._lines) < ROWS:
            return journal
        part = self._path(".parquet")
        write(_table(self._lines, self._columns), part)
        journal.unlink()
        self._number += 1
        self._lines.clear()
        return part

    def close(self) -> None:
        """Merge all rows into one file."""
        self._number = compact(self._folder, self._name, self._columns) + 1
        self._lines.clear()

    def _path(self, suffix: str) -> Path:
        return self._folder / FOLDER / f"{self._name}-{self._number:06d}{suffix}"


def folders(out: Path, name: str) -> list[Path]:
    """List the folders below `out` that hold a table of this name, sorted by name."""
    whole, grown = out.glob(f"*/{name}.parquet"), out.glob(f"*/{FOLDER}/{name}-*")
    return sorted({path.parent for path in whole} | {path.parent.parent for path in grown})


def read(folder: Path, name: str, columns: Any) -> Any:
    """Read the whole current table of a folder, also while a sweep adds to it; columns that a file lacks are null.

    Raises:
        DataError: a file is damaged; the message names it.
    """
    while True:
        try:
            return _read(folder, name, columns)[0]
        except FileNotFoundError:
            continue  # a part was sealed or merged meanwhile


def compact(folder: Path, name: str, columns: Any) -> int:
    """Merge a table into one file, which checks that it can be read; return the number of its last part.

    Raises:
        DataError: a file is damaged; the message names it.
    """
    path, parts = folder / f"{name}.parquet", _parts(folder, name)
    if not parts:
        if not path.exists():
            return 0
        with _named(path):
            return _merged(pq.read_schema(path))
    table, last = _read(folder, name, columns)
    metadata = {**(columns.metadata or {}), _MERGED: str(last).encode()}
    write(table.replace_schema_metadata(metadata), path)
    for part in parts.values():
        part.unlink()
        part.with_suffix(_JOURNAL).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the folder may hold another table's parts
        (folder / FOLDER).rmdir()
    return last


def write(table: Any, path: Path) -> None:
    """Write a Parquet file atomically: `path` holds the whole new file or the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic(path) as temporary:
        pq.write_table(table, temporary)


def _parts(folder: Path, name: str) -> dict[int, Path]:
    """Return a table's parts by number, in order; a sealed part takes precedence over its journal."""
    found = sorted((folder / FOLDER).glob(f"{name}-*"), key=lambda path: (path.stem, path.suffix))
    return {int(path.stem.rpartition("-")[2]): path for path in found}


def _merged(columns: Any) -> int:
    return int((columns.metadata or {}).get(_MERGED, 0))


def _read(folder: Path, name: str, columns: Any) -> tuple[Any, int]:
    """Read the whole table and the number of its last part.

    Raises:
        FileNotFoundError: a part disappeared meanwhile.
    """
    path, parts, last = folder / f"{name}.parquet", _parts(folder, name), 0
    pieces = []
    if path.exists():
        whole = read_parquet(path)
        last = _merged(whole.schema)
        pieces.append(_conform(whole, columns))
    fresh = {number: part for number, part in parts.items() if number > last}
    for part in fresh.values():
        piece = _read_journal(part, columns) if part.suffix == _JOURNAL else read_parquet(part)
        pieces.append(_conform(piece, columns))
    if not pieces:
        return columns.empty_table(), last
    return (_latest(pa.concat_tables(pieces)) if fresh else pieces[0]), max(fresh, default=last)


def read_parquet(path: Path) -> Any:
    """Read a Parquet file.

    Raises:
        DataError: the file is damaged; the message names it.
    """
    with _named(path), pq.ParquetFile(path) as file:
        return file.read()


def _read_journal(path: Path, columns: Any) -> Any:
    lines = path.read_bytes().split(b"\n")[:-1]  # the last line is empty or incomplete
    with _named(path):
        return _table(lines, columns)


def _table(lines: Sequence[bytes], columns: Any) -> Any:
    return pa.Table.from_pylist([json.loads(line) for line in lines], columns)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is damaged ({reason}): restore it, or start anew with --fresh") from error


def _conform(table: Any, columns: Any) -> Any:
    """Return the table with the columns of a schema; missing ones are null."""
    there = set(table.column_names)
    found = [
        table[field.name].cast(field.type) if field.name in there else pa.nulls(len(table), field.type)
        for field in columns
    ]
    return pa.table(found, schema=columns)


def _latest(table: Any) -> Any:
    """Return the last row of every trial or, for curves, of every epoch that the trial has not gone back behind.

    Trials are in the order of their first rows, epochs in ascending order.
    """
    trials = pd.factorize(table["trial"].to_numpy(zero_copy_only=False))[0]
    rows = pd.DataFrame({"trial": trials, "row": np.arange(len(table))})
    if "epoch" in table.column_names:
        rows["epoch"] = table["epoch"].to_numpy(zero_copy_only=False)
        rows = rows.drop_duplicates(["trial", "epoch"], keep="last")
        # A trial that resumes from an epoch discards its earlier reports of later epochs.
        backwards = rows[::-1]
        rows = rows[(backwards.groupby("trial")["epoch"].cummin() == backwards["epoch"])[::-1]]
        rows = rows.sort_values(["trial", "epoch"])
    else:
        rows = rows.drop_duplicates("trial", keep="last").sort_values("trial")
    return table.take(pa.array(rows["row"].to_numpy()))


def _plain(value: Any) -> Any:
    """Convert a value for JSON: timestamps become microseconds since 1970, as in the tables."""
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(microseconds=1)
    return value.item()
