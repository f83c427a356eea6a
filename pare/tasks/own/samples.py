"""Samples as a user's file holds them, whatever its format, and the checks that all of them must pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pare.data.tabular import LARGEST, rows_text
from pare.errors import DataError, quoted

_RESOLUTION = 16 * float(np.finfo(np.float32).eps)
"""Numbers that differ by less than this share of the largest magnitude cannot be told apart well in float32."""


@dataclass(frozen=True)
class Samples:
    """Content of a file: x (n, …) or a data frame, y (n, …), and perhaps a group and a split (n,) of each sample."""

    x: np.ndarray | pd.DataFrame
    y: np.ndarray
    group: np.ndarray | None = None
    split: np.ndarray | None = None
    channels_last: bool | None = None
    """Whether images have their channels last; None if only their shape shows it."""
    found: str = ""
    """Format of the file and the properties inferred to read it."""
    converted: tuple[str, ...] = ()
    """Conversions made on reading, a phrase each."""
    left_out: tuple[str, ...] = ()
    """Content of the file that was not read, a phrase each."""


def check(path: Path, samples: Samples) -> None:
    """Check samples for the most frequent errors.

    Raises:
        DataError: the arrays do not fit together, are empty, or hold values that float32 cannot; names the rows.
    """
    x, count = samples.x, len(samples.x) if getattr(samples.x, "ndim", 2) else 0
    if not count:
        raise DataError(f"{path} holds no sample: give some")
    for name in ("y", "group", "split"):
        array = getattr(samples, name)
        if array is not None and (array.ndim == 0 or len(array) != count):
            found = "no axis" if array.ndim == 0 else f"{len(array)} rows"
            raise DataError(f"{path}: x has {count} rows, {name} has {found}: give one {name} a row")
    for name in ("group", "split"):
        array = getattr(samples, name)
        if array is not None and (array.ndim != 1 or (array.dtype.kind == "f" and not np.isfinite(array).all())):
            raise DataError(f"{path}: {name} is {array.dtype} {array.shape}: give one {name} a row, (n,), none empty")
    if isinstance(x, pd.DataFrame):
        if not x.shape[1]:
            raise DataError(f"{path} has no column beside the label{_as_read(samples)}: give the features too")
        bad = x.isna().to_numpy().any(axis=1) | np.isinf(x.select_dtypes("number").to_numpy(float)).any(axis=1)
    elif x.dtype.kind not in "biuf" or x.ndim < 2 or not x.size:
        raise DataError(f"{path}: x is {x.dtype} {x.shape}: give numbers (n, …), every sample of the same shape")
    else:
        bad = ~np.isfinite(x).reshape(count, -1).all(axis=1)
    if not samples.y.size:
        raise DataError(f"{path}: y has shape {samples.y.shape}: give a target a row")
    if samples.y.dtype.kind == "f":
        bad = bad | ~np.isfinite(samples.y).reshape(count, -1).all(axis=1)
    if bad.any():
        raise DataError(f"{path} is empty, NaN or infinite in {rows_text(np.flatnonzero(bad))}: fill or drop them")
    parts = {f"column {quoted(name)}": x[name].to_numpy() for name in x} if isinstance(x, pd.DataFrame) else {"x": x}
    for name, values in parts.items():
        check_range(path, name, values)


def _as_read(samples: Samples) -> str:
    return f" ({samples.found})" if samples.found else ""


def check_range(path: Path, name: str, values: np.ndarray) -> None:
    """Check that numbers (n, …) keep their differences in float32, in which training computes.

    Raises:
        DataError: they overflow there, or all become one number; names the rows.
    """
    if values.dtype.kind not in "iuf" or values.dtype.itemsize < 4:
        return
    flat = values.reshape(len(values), -1)
    low, high = flat.min().item(), flat.max().item()  # exact for integers
    largest = max(abs(low), abs(high))
    if largest > LARGEST:
        rows = np.flatnonzero((np.abs(flat) > LARGEST).any(axis=1))
        raise DataError(f"{path}: {name} is beyond ±{LARGEST:g} in {rows_text(rows)}: give it in larger units")
    if largest and (largest < 1 / LARGEST or 0 < high - low < _RESOLUTION * largest):
        raise DataError(
            f"{path}: {name} runs from {low!r} to {high!r}, which float32 cannot tell apart: subtract its smallest "
            "value and choose a unit in which differences are about 1"
        )
