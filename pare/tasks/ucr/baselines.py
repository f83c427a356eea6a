"""Baselines of the archive's sets: the nearest neighbour by Euclidean distance; MiniRocket with ridge regression."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from pare.data.task import Baseline, Split
from pare.tasks.ucr import minirocket

NEAREST, OFFICIAL, MINIROCKET = "1-NN", "1-NN, official train", "MiniRocket + ridge"

_MOST, _CHOSEN_ON = 10_000, 2_000
"""Most training series for ridge regression, as for MiniRocket's authors, and for choosing its strength, which takes
their number cubed many times; of more, so many drawn at random choose it."""

Scores = Callable[[np.ndarray], np.ndarray]
"""Series (n, length) → scores of classes (n, classes)."""


def fitted(train: Split, val: Split | None, length: int) -> Iterator[Baseline]:
    """Yield the baselines fitted on `train` and, if `val` is given, 1-NN on both: all of the official training file.

    Series are the first `length` values of inputs (n, 1, L).
    """
    x, y = train.x[:, 0, :length], np.array(train.y)
    classes = 1 + max(int(y.max()), 0 if val is None else int(val.y.max()))

    def baseline(name: str, scores: Scores, validated: bool = True) -> Baseline:
        return Baseline(name, lambda rows: scores(rows[:, 0, :length]), validated)

    yield baseline(NEAREST, _nearest(x, y, classes))
    if len(x) <= _MOST:
        yield baseline(MINIROCKET, _minirocket(x, y, classes))
    if val is not None:
        order = np.argsort(np.concatenate([train.group, val.group]))  # of equally near series, the first counts
        both, their = np.concatenate([x, val.x[:, 0, :length]])[order], np.concatenate([y, val.y])[order]
        yield baseline(OFFICIAL, _nearest(both, their, classes), validated=False)


def _nearest(x: np.ndarray, y: np.ndarray, classes: int) -> Scores:
    model = KNeighborsClassifier(1, algorithm="brute").fit(x, y)
    return lambda rows: np.eye(classes, dtype=np.float32)[model.predict(rows)]


def _minirocket(x: np.ndarray, y: np.ndarray, classes: int) -> Scores:
    kernels = minirocket.fit(x)
    features = minirocket.transform(x, kernels)
    scaler = StandardScaler(with_mean=False).fit(features)
    features = scaler.transform(features)
    few = np.sort(np.random.default_rng(0).permutation(len(x))[:_CHOSEN_ON])
    ridge: Any = RidgeClassifierCV(np.logspace(-3, 3, 10)).fit(features[few], y[few])
    if len(few) < len(x):
        ridge = RidgeClassifier(ridge.alpha_, solver="cholesky").fit(features, y)

    def scores(rows: np.ndarray) -> np.ndarray:
        found = np.full((len(rows), classes), -np.inf, dtype=np.float32)
        margin = ridge.decision_function(scaler.transform(minirocket.transform(rows, kernels)))
        found[:, ridge.classes_] = np.stack([-margin, margin], axis=1) if margin.ndim == 1 else margin
        return found

    return scores
