"""Read tables from files of several formats and infer the type of each column."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from pyarrow import feather, parquet

from pare.data import text_numbers
from pare.data.tabular import rows_text
from pare.data.task import SPLITS
from pare.errors import DataError, RequestError, quoted
from pare.tasks.own.samples import Samples

SUFFIXES = {".csv", ".tsv", ".parquet", ".pq", ".arrow", ".feather"}

_SEPARATORS = ",;\t|"
_SHOWN = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SPLIT_NAMES = {*SPLITS, "valid", "validation", "dev", "training", "testing"}
_IDENTIFIERS = 0.9
"""Share of distinct texts above which a column holds names or identifiers, which are useless as a feature."""

_CATEGORIES = 32
"""Number of distinct texts that any column may have; more are allowed up to a tenth of the rows and to `_MOST`."""

_MOST = 1000


def read(path: Path, label: str | None, group: str | None, drop: Sequence[str]) -> Samples:
    """Read a table: features, the column to predict, and perhaps a column of groups and one of splits.

    Text that holds numbers, dates or times becomes numbers; names and identifiers are left out.

    Raises:
        DataError: the file is damaged, or a column can be read in two ways or not at all; names the column.
        RequestError: an option names a column that is not there.
    """
    frame, found = _csv(path) if path.suffix.lower() in (".csv", ".tsv") else _arrow(path)
    if frame.empty:
        raise DataError(f"{path} holds no sample ({found}): give some")
    there = [str(name).strip() for name in frame.columns]
    frame.columns = pd.Index(there)
    _check_names(path, there, label, group, drop)
    left_out = [f"column {quoted(name)}: as asked for" for name in drop]
    there = [name for name in there if name not in drop]
    split = next((name for name in there if name.lower() == "split" and name not in (label, group)), None)
    rest = [name for name in there if name not in (split, group)]
    if not rest:
        raise DataError(f"{path} has no column left to predict ({found}): give features and a label")
    target = label if label is not None else next((name for name in rest if name.lower() == "label"), rest[-1])
    taken = {name: frame[name] for name in (target, group, split) if name is not None}
    for name, column in taken.items():
        if column.isna().any():
            raise DataError(f"{path}: {quoted(name)} is empty in {rows_text(np.flatnonzero(column.isna()))}")
    converted: list[str] = [f"{quoted(target)} is the target"] if label is None else []
    taken[target] = _target(path, target, taken[target], converted)
    features = {}
    for name in there:
        if name not in taken and (feature := _feature(path, name, frame[name], converted, left_out)) is not None:
            features[name] = feature
    if not features and len(there) > len(taken):
        raise DataError(f"{path} has no feature left ({'; '.join(left_out)}): give others too")
    arrays = {name: column.to_numpy() for name, column in taken.items()}
    return Samples(
        pd.DataFrame(features, index=frame.index),
        arrays[target],
        arrays[group] if group else None,
        arrays[split] if split else None,
        found=found,
        converted=tuple(converted),
        left_out=tuple(left_out),
    )


def _check_names(path: Path, there: list[str], label: str | None, group: str | None, drop: Sequence[str]) -> None:
    twice = [name for name, count in Counter(there).items() if count > 1]
    if twice:
        raise DataError(f"{path} has two columns {quoted(twice[0])}: give each a name of its own")
    for option, names in (("--label", [label]), ("--group", [group]), ("--drop", drop)):
        for wanted in names:
            if wanted is not None and wanted not in there:
                raise DataError(f"{option} is {quoted(wanted)}: {path} has {', '.join(there[:20])[:300]}")
    for name in drop:
        if name in (label, group):
            raise RequestError(f"--drop is {quoted(name)}, which --label or --group names: leave it out of one of them")


def _csv(path: Path) -> tuple[pd.DataFrame, str]:
    """Read a text file after detecting its encoding and separator."""
    raw = path.read_bytes()
    text, encoding = _decoded(raw)
    if "\0" in text:
        row = text[: text.index("\0")].count("\n")
        raise DataError(f"{path} is damaged, or no text, in line {row + 1}: it holds bytes of zero")
    head = "\n".join(text[: 2**16].split("\n")[:50])
    first = head.split("\n", 1)[0]
    try:
        separator = csv.Sniffer().sniff(head, _SEPARATORS).delimiter
    except csv.Error:  # one column, or cells that contain every separator
        separator = ","
    if separator not in first:
        separator = max(_SEPARATORS, key=first.count)  # the first separator if none occurs
    frame = pd.read_csv(io.StringIO(text), sep=separator, skipinitialspace=True, low_memory=False)
    if not frame.index.equals(pd.RangeIndex(len(frame))):  # pandas uses columns without a name as the index
        cells = frame.shape[1] + frame.index.nlevels
        raise DataError(f"{path} has rows of {cells} cells below {frame.shape[1]} names: name all")
    return frame, f"CSV of {_SHOWN[separator]}, {encoding}"


def _decoded(raw: bytes) -> tuple[str, str]:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if raw.startswith(mark):
            return raw.decode(encoding), encoding.upper().removesuffix("-SIG")
    try:
        return raw.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        if b"\0" in raw:
            raise
        return raw.decode("cp1252"), "Windows-1252"  # Excel writes it; decoding fails on bytes it does not define


def _arrow(path: Path) -> tuple[pd.DataFrame, str]:
    """Read a Parquet or Feather file, ignoring pandas' index metadata; leave out unnamed index columns."""
    of_parquet = path.suffix.lower() in (".parquet", ".pq")
    table = parquet.ParquetFile(path).read() if of_parquet else feather.read_table(path)
    table.validate(full=True)
    table = table.select(
        [number for number, name in enumerate(table.column_names) if not name.startswith("__index_level")]
    )
    for number, field in enumerate(table.schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_decimal(kind):
            table = table.set_column(number, field.name, table.column(number).cast(pa.float64()))
        elif pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise DataError(
                f"{path}: column {quoted(field.name)} holds {kind}: give a number or a text a cell, or --drop it"
            )
    return table.to_pandas(ignore_metadata=True, date_as_object=False), "Parquet" if of_parquet else "Arrow"


def _target(path: Path, name: str, column: pd.Series, converted: list[str]) -> pd.Series:
    """Return the column to predict, with text that holds numbers as numbers."""
    if is_numeric_dtype(column):
        return column
    try:
        numbers = text_numbers.parse(column)
    except text_numbers.AmbiguousTextError as error:
        raise DataError(f"{path}: column {quoted(name)} holds {error}") from None
    if numbers is None:
        return column.astype(str).str.strip()
    converted.append(f"{quoted(name)}: {numbers.found}")
    return pd.Series(numbers.values, index=column.index)


def _feature(
    path: Path,
    name: str,
    column: pd.Series,
    converted: list[str],
    left_out: list[str],
) -> pd.Series | None:
    """Return a feature as numbers or as categories; None if it is useless."""
    if name.startswith("Unnamed:") and is_numeric_dtype(column) and np.array_equal(column, np.arange(len(column))):
        left_out.append(f"column {quoted(name)}: numbers of the rows")
        return None
    if column.isna().all():
        raise DataError(f"{path}: column {quoted(name)} is empty: fill it, or --drop {quoted(name)}")
    if is_bool_dtype(column) or is_numeric_dtype(column):
        return column
    try:
        numbers = text_numbers.parse(column)
    except text_numbers.AmbiguousTextError as error:
        raise DataError(f"{path}: column {quoted(name)} holds {error}; or --drop {quoted(name)}") from None
    if numbers is not None:
        converted.append(f"{quoted(name)}: {numbers.found}")
        return pd.Series(numbers.values, index=column.index)
    texts = column.astype(object).map(str).str.strip().where(column.notna(), None)
    different, count = set(texts.dropna()), len(texts)
    if {text.lower() for text in different} <= _SPLIT_NAMES and "train" in {text.lower() for text in different}:
        raise DataError(
            f"{path}: column {quoted(name)} holds {', '.join(sorted(different))[:100]}: call it split, or --drop "
            f"{quoted(name)}"
        )
    if len(different) > max(_CATEGORIES, _IDENTIFIERS * count):
        left_out.append(
            f"column {quoted(name)}: {len(different):,} different texts in {count:,} rows, names or identifiers"
        )
        return None
    if len(different) > max(_CATEGORIES, min(_MOST, count // 10)):
        raise DataError(
            f"{path}: column {quoted(name)} has {len(different):,} different texts in {count:,} rows, too many for "
            f"categories: group the rare ones, or --drop {quoted(name)}"
        )
    return texts
