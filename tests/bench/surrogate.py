"""A stand-in for training: recorded curves made to answer for any configuration of their space."""

import zlib
from dataclasses import replace

import numpy as np
from optuna.distributions import CategoricalDistribution
from scipy.stats import spearmanr
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from pare import tasks
from pare.errors import DataError
from pare.search.study import space
from tests.bench.record import METHOD

LEAST = 20
"""Configurations without which there is nothing to fit."""


def regressors():
    """Candidates by name, from points of the unit cube to logarithms of curves."""
    squares = FunctionTransformer(lambda x: np.hstack([x, x**2]))
    return {
        "ridge of places and their squares": make_pipeline(squares, StandardScaler(), RidgeCV(np.logspace(-1, 4, 11))),
        "extra trees": ExtraTreesRegressor(30, min_samples_leaf=2, max_features=0.5, random_state=0),
        "nearest neighbours": KNeighborsRegressor(5, weights="distance"),
    }


class Surrogate:
    """Answers any configuration of a recorded space with a curve of its validation metric, (epochs,), lower is better.

    The expectation is of the regressor whose ranking of configurations that it was not fitted to is best. An answer has
    chance on top: what the regressor missed on one of the recorded configurations, which one being up to the asker's
    seed, scaled to the deviation that training seeds alone make. Runs that diverged are left out.

    Raises:
        DataError: there are too few curves.
    """

    def __init__(self, recording):
        self.base, self.provenance = recording.base, recording.facts["provenance"]
        self.task = tasks.get(self.base.task)
        self.space = space.for_run(self.base, self.task.modality)
        self.rows = [row for row in recording.rows if not row["why"] and row["seed"] == self.base.seed]
        if len(self.rows) < LEAST:
            raise DataError(
                f"{self.task.name} has {len(self.rows)} curves of its first seed, and {LEAST} are needed: "
                "python -m tests.bench.record goes on where it ended"
            )
        self.diverged = sum(bool(row["why"]) for row in recording.rows)
        seeds = [row["val_metric"] for row in recording.rows if row["drawn"] == "published"]
        x = np.array([self.encode(row["searched"]) for row in self.rows])
        y = np.log([row["val_metric"] for row in self.rows])
        folds = KFold(10, shuffle=True, random_state=0)
        guesses = {name: cross_val_predict(each, x, y, cv=folds) for name, each in regressors().items()}
        self.correlations = {
            name: spearmanr(guess.min(axis=1), y.min(axis=1)).statistic for name, guess in guesses.items()
        }
        self.name = max(self.correlations, key=self.correlations.__getitem__)
        self._fitted = regressors()[self.name].fit(x, y)
        self._known = {}
        missed = y - guesses[self.name]
        self.missed = float((y.min(axis=1) - guesses[self.name].min(axis=1)).std())
        self.chance = float(np.log(seeds).min(axis=1).std(ddof=1))
        self._chances = missed * min(1.0, self.chance / self.missed)

    def encode(self, values):
        """A point of the unit cube: a number's place in its interval, 0.5 if absent; a choice as zeros and a one."""
        point = []
        for dimension in self.space.dimensions:
            of, value = dimension.values, values.get(dimension.name)
            if not replace(dimension, when=None).applies(METHOD, {}):
                continue
            if isinstance(of, CategoricalDistribution):
                point += [float(value == choice) for choice in of.choices]
            else:
                point.append(0.5 if value is None else space._place(of, value))
        return point

    def expected(self, values):
        """Curve of a configuration without the chance of a seed."""
        key = tuple(sorted(values.items()))
        if key not in self._known:
            self._known[key] = np.exp(self._fitted.predict(np.array([self.encode(values)]))[0])
        return self._known[key]

    def score(self, values):
        """The best metric of the expected curve."""
        return float(self.expected(values).min())

    def answer(self, values, seed):
        """Curve of a configuration as a trial would report it."""
        drawn = zlib.crc32(repr((seed, sorted(values.items()))).encode()) % len(self._chances)
        return self.expected(values) * np.exp(self._chances[drawn])
