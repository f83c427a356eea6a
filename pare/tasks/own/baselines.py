"""Baselines for a user's own data: scikit-learn's models, fitted on the same samples as flat vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pare.data.task import Baseline, Split

_LARGE = 20_000_000
"""Largest training split, in numbers, for which a baseline is fitted; more would take longer than a trial."""

_LEAST = 1e-9
"""Smallest probability of a class, so that its logarithm is finite."""


def fitted(name: str, train: Split) -> Baseline | None:
    """Fit the baseline called `name` on a training split; None if there is none or it would take too long.

    It predicts in the form of a model: logarithms of probabilities (n, classes), or targets (n, k).
    """
    if name not in BASELINES or train.x.size > _LARGE:
        return None
    with threadpool_limits(1):  # more threads slow down small fits on shared cores
        predict = BASELINES[name](_flat(train.x), np.array(train.y))
    return Baseline(name, lambda x: predict(_flat(x)))


def _logistic(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y)
    return lambda rows: np.log(np.maximum(model.predict_proba(rows), _LEAST))


def _boosting(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    model = HistGradientBoostingClassifier(random_state=0).fit(x, y)
    return lambda rows: np.log(np.maximum(model.predict_proba(rows), _LEAST))


def _ridge(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13))).fit(x, y)
    return lambda rows: model.predict(rows).reshape(len(rows), *y.shape[1:])


LOGISTIC, RIDGE, BOOSTING = "logistic regression", "ridge regression", "gradient boosting"
BASELINES: Mapping[str, Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    LOGISTIC: _logistic,
    RIDGE: _ridge,
    BOOSTING: _boosting,
}
DEFAULT = {"classification": LOGISTIC, "regression": RIDGE}
"""Name of each kind's baseline, for kinds that have one."""


def _flat(x: np.ndarray) -> np.ndarray:
    return np.array(x).reshape(len(x), -1)
