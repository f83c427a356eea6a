"""Columns of texts that are really numbers, dates or times: recognised where one reading fits every cell."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pare.errors import quoted

_CATEGORIES = 20
"""A column of whole numbers as text, no more than so many different ones, is left as categories."""

_SPACES = re.compile(r"(?<=\d)[ \u00a0\u202f](?=\d{3})")
_PLAIN = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_COMMA = r"[+-]?\d+(?:,\d+)?"
_POINTS_AND_COMMA = r"[+-]?\d{1,3}(?:\.\d{3})*(?:,\d+)?"
_COMMAS_AND_POINT = r"[+-]?\d{1,3}(?:,\d{3})*(?:\.\d+)?"
_IN_THOUSANDS = r"[+-]?\d{1,3}(?:,\d{3})"
_UNIT = r"(?P<number>[+-]?[\d.,][\d.,eE+-]*?)\s*(?P<unit>[^\d\s.,+-][^\d\s.,+-]{0,4})"
_CURRENCY = r"(?P<unit>[$€£¥])\s*(?P<number>[+-]?[\d.,]+)"
_ISO = r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_SLASHED = r"\d{4}/\d{2}/\d{2}(?: \d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"
_DAY_OR_MONTH_FIRST = r"\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})(?:[ T].*)?"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"


class AmbiguousTextError(ValueError):
    """Cells may be read in two ways, or nearly all of them in one; the message says which, and the remedy."""


@dataclass(frozen=True)
class Numbers:
    """The numbers (n,) float64 that texts stand for, NaN where a cell is empty, and what they were, for a message."""

    values: np.ndarray
    found: str


def parse(column: pd.Series) -> Numbers | None:
    """The numbers in a column of texts or times; None where they are categories.

    Raises:
        AmbiguousTextError: they can be read in two ways, or some cells of a column of numbers are none.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return Numbers(_days(column), "dates, as days since 1970")
    if pd.api.types.is_timedelta64_dtype(column):
        return Numbers(column.dt.total_seconds().to_numpy(float), "durations, as seconds")
    known = column.notna().to_numpy()
    texts = column[known].astype(str).str.strip().str.replace(_SPACES, "", regex=True)
    if texts.empty or (not _hold(texts.iloc[:1], r".*\d.*") and not _hold(texts.iloc[-1:], r".*\d.*")):
        return None
    read = _read(texts)
    if read is None:
        _refuse_strays(texts)
        return None
    values = np.full(len(column), np.nan)
    values[known] = read.values
    return Numbers(values, read.found)


def _read(texts: pd.Series) -> Numbers | None:
    for pattern in (_ISO, _SLASHED):
        if _hold(texts, pattern):
            dates = pd.to_datetime(texts.str.replace("/", "-"), format="ISO8601", utc=True, errors="coerce")
            if dates.isna().any():
                raise AmbiguousTextError(f"dates and {quoted(texts[dates.isna()].iloc[0])}, which is none: mend it")
            return Numbers(_days(dates), "dates, as days since 1970")
    if _hold(texts, _DAY_OR_MONTH_FIRST):
        raise AmbiguousTextError(f"dates such as {quoted(texts.iloc[0])}, day or month first: write them as 2024-12-31")
    if _hold(texts, _CLOCK):
        parts = texts.str.split(":", expand=True).astype(float).fillna(0).to_numpy()
        return Numbers(parts @ (1 / 60.0 ** np.arange(parts.shape[1])), "times, as hours")
    for measured in (_UNIT, _CURRENCY):
        parts_of = texts.str.extract(f"^{measured}$")
        if parts_of.notna().all(axis=None) and parts_of["unit"].nunique() == 1:
            number = _decimal(parts_of["number"], categories=0)
            unit = parts_of["unit"].iloc[0]
            return number and Numbers(number.values, f"numbers in {unit}, taken without it")
    return _decimal(texts)


def _decimal(texts: pd.Series, categories: int = _CATEGORIES) -> Numbers | None:
    """Numbers with a decimal point or comma, and perhaps marks of thousands."""
    if _hold(texts, r"[+-]?0\d+", any_of_them=True):
        return None  # a code: its leading zeros would be lost
    if _hold(texts, _PLAIN):
        if _hold(texts, r"[+-]?\d+") and texts.nunique() <= categories:
            return None
        return Numbers(texts.astype(float).to_numpy(), "numbers written as text")
    if _hold(texts, _COMMAS_AND_POINT):
        if _hold(texts, rf"{_IN_THOUSANDS}|[+-]?\d{{1,3}}"):
            sample = next(text for text in texts if "," in text)
            raise AmbiguousTextError(
                f"numbers such as {quoted(sample)}, whose comma may mark thousands or a fraction: write a decimal point"
            )
        return Numbers(texts.str.replace(",", "").astype(float).to_numpy(), "numbers with commas for thousands")
    if _hold(texts, _COMMA) or _hold(texts, _POINTS_AND_COMMA):
        plain = texts.str.replace(".", "").str.replace(",", ".")
        return Numbers(plain.astype(float).to_numpy(), "numbers with a decimal comma")
    return None


def _refuse_strays(texts: pd.Series) -> None:
    """A column of many different numbers and a few other texts is one of numbers with a word for what is missing."""
    different = pd.Series(texts.unique())
    numbers = different.str.fullmatch(rf"{_PLAIN}|{_COMMA}|{_ISO}")
    if numbers.sum() > max(_CATEGORIES, 0.8 * len(different)):
        others = different[~numbers]
        if others.empty:
            raise AmbiguousTextError("numbers in several notations, or numbers and dates: write all cells alike")
        raise AmbiguousTextError(
            f"numbers or dates, and texts such as {quoted(others.iloc[0])}: fill these cells or drop their rows"
        )


def _hold(texts: pd.Series, pattern: str, any_of_them: bool = False) -> bool:
    matches = texts.str.fullmatch(pattern)
    return bool(matches.any() if any_of_them else matches.all())


def _days(dates: pd.Series) -> np.ndarray:
    utc = pd.to_datetime(dates, utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(utc), np.nan, utc.astype(np.int64) / 86_400e6)
