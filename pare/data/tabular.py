"""Rows of a table as numbers: texts are one-hot; the training rows alone decide categories and what fills gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from pare.data import text_numbers
from pare.errors import RequestError, quoted

MISSING = "?"
"""The category of an empty cell, where cells may be empty; ARFF writes it so."""

Columns = Mapping[str, list[str] | float | None]
"""What each column holds: its categories; numbers (None); or the number that fills its gaps. It is plain JSON."""

LARGEST = 1e37
"""The largest magnitude that a sample or target may have: a tenth of what float32 holds leaves room for arithmetic."""


@dataclass(frozen=True)
class Encoder:
    """The columns of a table, in their order; with `gaps` its cells may be empty."""

    columns: Columns
    gaps: bool = False

    @classmethod
    def fit(cls, train: pd.DataFrame, gaps: bool = False) -> Encoder:
        """The encoder of the training rows; a category that only other rows have becomes zeros.

        With `gaps` the median of its column stands for a missing number, and a missing category is one of its own where
        the training rows have it.
        """
        return cls({str(name): _column(train[name], gaps) for name in train}, gaps)

    @property
    def features(self) -> int:
        return sum(len(holds) if isinstance(holds, list) else 1 for holds in self.columns.values())

    def encode(self, rows: Any) -> np.ndarray:
        """A data frame with these columns, or an array (n, columns) in their order → (n, features) float32.

        Raises:
            RequestError: a column is missing or of another type; a cell is empty that must not be, or infinite.
        """
        if isinstance(rows, pd.DataFrame):
            missing = [name for name in self.columns if name not in rows]
            if missing:
                raise RequestError(f"the table lacks column {quoted(missing[0])}: give {', '.join(self.columns)}")
            frame = rows[list(self.columns)]
        else:
            array = np.asarray(rows)
            if array.ndim != 2 or array.shape[1] != len(self.columns):
                raise RequestError(f"rows have shape {array.shape}: give (n, {len(self.columns)}) or a data frame")
            frame = pd.DataFrame(array, columns=list(self.columns))
        parts = [_encoded(name, frame[name], holds, self.gaps) for name, holds in self.columns.items()]
        return np.concatenate(parts, axis=1)


def _column(values: pd.Series[Any], gaps: bool) -> list[str] | float | None:
    if not is_numeric_dtype(values):
        return sorted(set(_texts(values)))
    if not gaps:
        return None
    median = float(values.median())
    return median if np.isfinite(median) else 0.0


def _encoded(name: str, column: pd.Series[Any], holds: list[str] | float | None, gaps: bool) -> np.ndarray:
    if isinstance(holds, list):
        numbers = _one_hot(_texts(column), holds)
        bad = column.isna().to_numpy() & (not gaps)
    else:
        values = _numbers(name, column)
        if holds is not None:
            values = np.where(np.isnan(values), holds, values)
        bad = ~np.isfinite(values)
        if (large := ~bad & (np.abs(values) > LARGEST)).any():
            rows = rows_text(np.flatnonzero(large))
            raise RequestError(f"column {quoted(name)} is beyond ±{LARGEST:g} in {rows}: give it in larger units")
        numbers = values.astype(np.float32)[:, None]
    if bad.any():
        raise RequestError(f"column {quoted(name)} is empty or not finite in {rows_text(np.flatnonzero(bad))}")
    return numbers


def _one_hot(texts: np.ndarray, categories: list[str]) -> np.ndarray:
    """(n, categories) float32; a text that is no category, not even without the spaces around it, is all zeros."""
    index = pd.Index(categories)
    codes = index.get_indexer(pd.Index(texts))
    codes = np.where(codes < 0, index.get_indexer(pd.Index(np.char.strip(texts))), codes)
    numbers = np.zeros((len(texts), len(categories)), dtype=np.float32)
    known = np.flatnonzero(codes >= 0)
    numbers[known, codes[known]] = 1
    return numbers


def _numbers(name: str, column: pd.Series[Any]) -> np.ndarray:
    """The cells (n,) float64 of a column of numbers, also where they are written as text; NaN where they are empty."""
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        reason: Exception = error
    try:
        if (parsed := text_numbers.parse(column)) is not None:
            return parsed.values
    except text_numbers.AmbiguousTextError as error:
        reason = error
    raise RequestError(f"column {quoted(name)} does not hold numbers ({reason}): it did in training")


def _texts(column: pd.Series[Any]) -> np.ndarray:
    """The cells (n,) as text, whatever they hold; empty ones as `MISSING`."""
    return np.where(column.isna(), MISSING, column.astype(object).map(str)).astype(str)


def rows_text(rows: np.ndarray) -> str:
    """Row numbers, counted from 0, for a message: the first five."""
    shown = ", ".join(map(str, rows[:5]))
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more} (counted from 0)"
