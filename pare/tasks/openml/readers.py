"""Read OpenML's files, Parquet or the older ARFF, as data frames; empty cells are missing values."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import arff

from pare.errors import DataError


def read(path: Path) -> pd.DataFrame:
    """Read the table in `path`: numbers as numbers, categories as objects.

    Raises:
        DataError: the file is damaged, or neither Parquet nor ARFF; names it.
    """
    try:
        frame = _arff(path) if path.suffix == ".arff" else pd.read_parquet(path)
    except Exception as error:  # a damaged file may raise any exception
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(f"{path} cannot be read ({reason}): get it anew") from error
    if not len(frame) or frame.shape[1] < 2:
        raise DataError(f"{path} holds {len(frame)} rows of {frame.shape[1]} columns: get it anew")
    frame.columns = frame.columns.map(str)
    return frame


def _arff(path: Path) -> pd.DataFrame:
    rows, _ = arff.loadarff(StringIO(path.read_text(encoding="utf-8")))
    columns = {name: rows[name] for name in rows.dtype.names or ()}
    return pd.DataFrame(
        {name: _texts(values) if values.dtype.kind == "S" else values for name, values in columns.items()}
    )


def _texts(values: np.ndarray) -> np.ndarray:
    texts = np.char.decode(values, "utf-8").astype(object)
    texts[texts == "?"] = None
    return texts
