"""What tasks of independent samples share: checks of files and of requests, splits, scaling, the share of errors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import zero_one_loss

from pare.data.tabular import LARGEST
from pare.data.task import Metric, Raw, Split
from pare.errors import DataError, RequestError

Part = tuple[np.ndarray, np.ndarray]
"""x (n, …) and y (n, …) of a split."""


def error(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Samples (n, classes) whose largest output is not the target's (n,), in percent."""
    return 100 * float(zero_one_loss(targets, predictions.argmax(axis=1)))


ERROR = Metric("error", "minimize", error, unit="%")


def raw(*parts: Part, statistics: Mapping[str, np.ndarray] | None = None) -> Raw:
    """The splits train, val and test, in which every sample is a group of its own, numbered through."""
    starts = np.cumsum([len(x) for x, _ in parts]) - [len(x) for x, _ in parts]
    train, val, test = (Split(x, y, start + np.arange(len(x))) for (x, y), start in zip(parts, starts, strict=True))
    return Raw(train, val, test, statistics or {})


def numbers(path: Path, name: str, array: Any, shape: tuple[int, ...], least: int = 1) -> np.ndarray:
    """The array `name` of a file, checked: real, finite, (n, *shape) with n at least `least`.

    Raises:
        DataError: it is not; names the file and what was expected.
    """
    array = np.asarray(array)
    if array.shape[1:] != shape or array.ndim == 0 or len(array) < least:
        wanted = ", ".join(map(str, ("n", *shape)))
        raise DataError(f"{path}: {name} has shape {array.shape}, expected ({wanted}) with n ≥ {least}")
    if not _finite(array):
        raise DataError(f"{path}: {name} of type {array.dtype} does not hold finite real numbers only")
    if array.dtype.itemsize > 4 and array.size and np.abs(array).max() > LARGEST:
        raise DataError(f"{path}: {name} is beyond ±{LARGEST:g}, which float32 cannot hold: get the official file anew")
    return array


def classes(path: Path, name: str, labels: Any, samples: int, count: int, first: int = 0) -> np.ndarray:
    """The classes (samples,) int64 of a file, counted from 0 where its labels run from `first` on.

    Raises:
        DataError: they are not one whole number per sample in that range; names the file and what was expected.
    """
    labels = np.asarray(labels)
    labels = labels.reshape(-1) if labels.shape == (samples, 1) else labels
    last = first + count - 1
    if labels.shape != (samples,) or not _finite(labels) or (labels % 1).any():
        raise DataError(f"{path}: {name} is {labels.dtype} {labels.shape}, expected ({samples},) whole numbers")
    if labels.min() < first or labels.max() > last:
        raise DataError(f"{path}: {name} runs from {labels.min()} to {labels.max()}, expected {first} to {last}")
    return labels.astype(np.int64) - first


def batch(raw: np.ndarray, shapes: tuple[tuple[int, ...], ...], expected: str) -> np.ndarray:
    """What a model's user gave, checked: real, finite, (n, *shape) with one of the `shapes`.

    Raises:
        RequestError: it is not; says what is `expected`.
    """
    raw = np.asarray(raw)
    if raw.shape[1:] not in shapes or raw.ndim == 0:
        raise RequestError(f"samples have shape {raw.shape}: give {expected}")
    if not _finite(raw):
        raise RequestError(f"samples of type {raw.dtype} are not all finite numbers: give real numbers only")
    if raw.dtype.itemsize > 4 and raw.size and np.abs(raw).max() > LARGEST:
        raise RequestError(f"samples are beyond ±{LARGEST:g}, which float32 cannot hold: give them in larger units")
    return raw


def images(raw: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What a model's user gave: images (n, C, H, W) or (n, H, W, C), as bytes or in [0, 1], in [0, 1] as (n, C, H, W).

    Raises:
        RequestError: it is something else.
    """
    channels, height, width = shape
    last = (height, width, channels)
    raw = batch(raw, (shape, last), f"images (n, {channels}, {height}, {width}) or (n, {height}, {width}, {channels})")
    return pixels(raw.transpose(0, 3, 1, 2) if raw.shape[1:] == last else raw)


def pixels(images: np.ndarray) -> np.ndarray:
    """Images as float32 in [0, 1]: bytes are divided by 255, anything else must lie there already.

    Raises:
        RequestError: it does not.
    """
    if images.dtype == np.uint8:
        return np.divide(images, 255, dtype=np.float32)
    if images.size and (images.min() < 0 or images.max() > 1):
        raise RequestError(f"images run from {images.min()} to {images.max()}: give bytes, or numbers in [0, 1]")
    return images.astype(np.float32)


def standardised(x: np.ndarray) -> np.ndarray:
    """Mean 0 and deviation 1 along the last axis, float32; a flat line becomes 0."""
    x = x.astype(np.float64)
    x -= x.mean(axis=-1, keepdims=True)
    deviation = x.std(axis=-1, keepdims=True)
    # Rounding leaves a flat line a deviation of about 1e-16 of its level, which is not worth magnifying.
    return np.where(deviation > 1e-12, x / np.maximum(deviation, 1e-12), 0).astype(np.float32)


def is_sound(array: np.ndarray) -> bool:
    """Whether an array holds real, finite numbers only, none too large to compute with in float32."""
    if array.dtype.kind == "f":
        return bool((np.abs(array) <= LARGEST).all())
    return array.dtype.kind in "biu"


def _finite(array: np.ndarray) -> bool:
    return array.dtype.kind in "biu" or (array.dtype.kind == "f" and bool(np.isfinite(array).all()))
