"""Rows of a table as numbers: text columns one-hot, categories known from the training rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from pare.errors import RequestError


@dataclass(frozen=True)
class Encoder:
    """Columns in their order, each with its categories, or with None where it holds numbers; plain enough for JSON."""

    columns: Mapping[str, list[str] | None]

    @classmethod
    def fit(cls, train: pd.DataFrame) -> Encoder:
        """The encoder of the training rows; a category that only other rows have becomes zeros."""
        return cls(
            {
                str(name): None if is_numeric_dtype(train[name]) else sorted(train[name].astype(str).unique())
                for name in train
            }
        )

    @property
    def features(self) -> int:
        return sum(1 if values is None else len(values) for values in self.columns.values())

    def encode(self, rows: Any) -> np.ndarray:
        """A data frame with these columns, or an array (n, columns) in their order → (n, features) float32.

        Raises:
            RequestError: a column is missing or of another type; a cell is empty, or no finite number.
        """
        if isinstance(rows, pd.DataFrame):
            missing = [name for name in self.columns if name not in rows]
            if missing:
                raise RequestError(f"the table lacks column {missing[0]!r}: give {', '.join(self.columns)}")
            frame = rows[list(self.columns)]
        else:
            array = np.asarray(rows)
            if array.ndim != 2 or array.shape[1] != len(self.columns):
                raise RequestError(f"rows have shape {array.shape}: give (n, {len(self.columns)}) or a data frame")
            frame = pd.DataFrame(array, columns=list(self.columns))
        parts = [self._column(name, frame[name], values) for name, values in self.columns.items()]
        return np.concatenate(parts, axis=1)

    def _column(self, name: str, column: pd.Series[Any], values: list[str] | None) -> np.ndarray:
        if values is None:
            try:
                numbers = column.to_numpy(dtype=np.float32)[:, None]
            except (ValueError, TypeError) as error:
                raise RequestError(f"column {name!r} does not hold numbers ({error}): it did in training") from None
            bad = ~np.isfinite(numbers[:, 0])
        else:
            texts = column.astype(str).to_numpy()
            numbers = (texts[:, None] == np.array(values)[None]).astype(np.float32)
            bad = column.isna().to_numpy()
        if bad.any():
            raise RequestError(f"column {name!r} is empty or not finite in {rows_text(np.flatnonzero(bad))}")
        return numbers


def rows_text(rows: np.ndarray) -> str:
    """Row numbers, counted from 0, for a message: the first five."""
    shown = ", ".join(map(str, rows[:5]))
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more} (counted from 0)"
