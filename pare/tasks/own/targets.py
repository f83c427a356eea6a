"""Targets of a user's own data: infer their kind, convert them, and derive class weights and scales for the loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pare.data.tabular import rows_text
from pare.data.task import Kind
from pare.errors import DataError, quoted
from pare.tasks.own.samples import Samples, check_range

_SAMPLES_PER_CLASS = 10
"""Whole numbers of more distinct values than this, with fewer samples per value than this, are counts, not classes."""


def kind(path: Path, given: Samples) -> Kind:
    """Infer the kind of task from y (n, …).

    Raises:
        DataError: y cannot be predicted.
    """
    y = given.y
    numbers = y.dtype.kind in "biuf"
    if y.ndim == 1:
        broken = y.dtype.kind == "f" and bool((y % 1).any())
        different = len(np.unique(y)) if numbers else 0
        many = different > _SAMPLES_PER_CLASS and different * _SAMPLES_PER_CLASS > len(y)
        return "regression" if broken or many else "classification"
    if numbers and y.ndim == 2 and np.isin(y, (0, 1)).all():
        return "multilabel"
    if numbers and isinstance(given.x, np.ndarray) and y.ndim > 1 and y.shape[-1] == given.x.shape[-1]:
        return "dense"
    if numbers and y.ndim == 2:
        return "regression"
    raise DataError(
        f"{path}: y is {y.dtype} {y.shape}: give a class a row (n,), 0 and 1 (n, labels), numbers (n,) or (n, k), or "
        "fields as long as x"
    )


def targets(path: Path, kind: Kind, y: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Convert y to class indices (n,) int64 with their labels, or to numbers (n, …) float32 without labels.

    Raises:
        DataError: y does not fit the kind; names the rows.
    """
    if kind == "classification":
        return _classes(path, y)
    axes = {"multilabel": (2,), "dense": (2, 3, 4), "regression": (1, 2)}[kind]
    if y.dtype.kind not in "biuf" or y.ndim not in axes:
        wanted = {
            "multilabel": "0 and 1 (n, labels)",
            "dense": "numbers (n, …)",
            "regression": "numbers (n,) or (n, k)",
        }
        raise DataError(f"{path}: y is {y.dtype} {y.shape}: for {kind} give {wanted[kind]}")
    if kind == "multilabel" and not (known := np.isin(y, (0, 1)).all(axis=1)).all():
        raise DataError(f"{path}: y is neither 0 nor 1 in {rows_text(np.flatnonzero(~known))}: give 0 and 1")
    check_range(path, "y", y)
    return (y[:, None] if y.ndim == 1 else y).astype(np.float32), ()


def weights(path: Path, train: np.ndarray, labels: tuple[str, ...]) -> tuple[float, ...]:
    """Weight of each class in the loss, inverse to its share of the training classes (n,).

    Raises:
        DataError: a class has no sample for training.
    """
    counts = np.bincount(train, minlength=len(labels))
    if not counts.all():
        raise DataError(
            f"{path}: class {quoted(labels[int(counts.argmin())])} has no sample for training: give it more rows"
        )
    return tuple(float(len(train) / (len(counts) * count)) for count in counts)


def scale(path: Path, kind: Kind, train: np.ndarray) -> tuple[float, ...]:
    """Standard deviation of each regression target (n, k), or of whole fields; empty for other kinds.

    Raises:
        DataError: a target is constant.
    """
    if kind not in ("regression", "dense"):
        return ()
    deviations = np.atleast_1d(train.std(axis=0 if kind == "regression" else None, dtype=np.float64))
    if not deviations.all():
        which = f"target {int(deviations.argmin())}" if len(deviations) > 1 else "y"
        raise DataError(f"{path}: {which} never changes in training: there is nothing to predict")
    return tuple(float(value) for value in deviations)


def _classes(path: Path, y: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    if y.ndim != 1:
        raise DataError(f"{path}: y has shape {y.shape}: for classification give one class a row, (n,)")
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8", "replace")
    names, codes, counts = np.unique(
        y.astype(str) if y.dtype.kind == "O" else y, return_inverse=True, return_counts=True
    )
    labels = tuple(str(value) for value in names)
    if len(labels) < 2:
        raise DataError(f"{path}: y holds one class only, {labels[0] if labels else 'none'!r}: give at least two")
    if counts.min() < 3:
        rows = rows_text(np.flatnonzero(codes == counts.argmin()))
        raise DataError(
            f"{path}: class {quoted(labels[counts.argmin()])} has {counts.min()} of at least 3 samples, {rows}"
        )
    return codes.reshape(-1).astype(np.int64), labels
