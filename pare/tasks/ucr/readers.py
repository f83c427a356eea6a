"""Read the archive's files: its own TSV, and the form .ts of timeseriesclassification.com, which becomes the former."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from pare.errors import DataError
from pare.tasks.ucr.sets import SeriesSet


def read(folder: Path, of: SeriesSet) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read both files: series (n, length) float64, NaN where a value is missing or a series over; classes (n,) int64.

    Classes are counted from 0 in the order of the archive's numbers.

    Raises:
        DataError: a file is missing, damaged, or not the official one; names it.
    """
    tables = [_table(folder / name, rows, of) for name, rows in zip(of.files, (of.train, of.test), strict=True)]
    known = np.unique(np.concatenate([table[:, 0] for table in tables]))
    if len(known) != of.classes:
        raise DataError(f"{folder / of.files[0]}: {len(known)} classes, {of.title} has {of.classes}: get it anew")
    return [(table[:, 1:], np.searchsorted(known, table[:, 0])) for table in tables]


def _table(path: Path, rows: int, of: SeriesSet) -> np.ndarray:
    """Read a file as (rows, 1 + length) float64."""
    try:
        table = pd.read_csv(path, sep="\t", header=None, na_values=["?"], skipinitialspace=True).to_numpy(np.float64)
    except Exception as error:  # a damaged file may raise any exception
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(f"{path} cannot be read ({reason}): get it anew") from error
    if table.shape != (rows, 1 + of.length):
        raise DataError(
            f"{path} holds {table.shape[0]} series of {table.shape[1] - 1} values, {of.title} has {rows} of "
            f"{of.length}: get it anew"
        )
    if np.isinf(table).any() or np.isnan(table[:, 0]).any():
        raise DataError(f"{path} holds infinite values, or series without a class: get it anew")
    empty = np.flatnonzero(np.isnan(table[:, 1:]).all(axis=1))
    if len(empty):
        raise DataError(f"{path}: series {empty[0]} (counted from 0) has no value: get it anew")
    return table


def as_tsv(contents: Sequence[bytes], of: SeriesSet) -> list[bytes]:
    """Rewrite .ts files of one set as the archive's TSV: the same digits, NaN where it has a ? or a series is over.

    Classes that are words are numbered in alphabetical order over all files.

    Raises:
        DataError: a file is damaged, or its series have several channels, time stamps, or too many values.
    """
    files = [_series(content, of) for content in contents]
    words = sorted({label for file in files for label, _ in file})
    numbers = {word: word if _is_number(word) else str(place) for place, word in enumerate(words, start=1)}
    lines = [
        ["\t".join([numbers[label], *values, *["NaN"] * (of.length - len(values))]) for label, values in file]
        for file in files
    ]
    return ["".join(f"{line}\n" for line in each).encode() for each in lines]


def _series(content: bytes, of: SeriesSet) -> list[tuple[str, list[str]]]:
    """Return label and values of each series as they are written."""
    found: list[tuple[str, list[str]]] = []
    inside = False
    for line in BytesIO(content).read().decode("utf-8", errors="replace").splitlines():
        text = line.strip()
        if inside and text:
            parts = text.split(":")
            values = [value.strip().replace("?", "NaN") for value in parts[0].split(",")]
            if len(parts) != 2 or "(" in text or not 1 <= len(values) <= of.length:
                raise DataError(
                    f"{of.title}.ts, series {len(found)} (counted from 0): expected up to {of.length} values with "
                    f"commas between, a colon and a class, not {text[:40]!r}: get it anew"
                )
            found.append((parts[1].strip(), values))
        inside = inside or text.lower() == "@data"
    if not found:
        raise DataError(f"{of.title}.ts holds no series after @data: get it anew")
    return found


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
