"""A stand-in for training: recorded curves made to answer for any configuration of their space."""

import zlib
from dataclasses import replace

import numpy as np
from optuna.distributions import CategoricalDistribution
from scipy.stats import spearmanr
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from pare.errors import DataError
from pare.search.study import domains, space
from tests.bench.record import METHOD, SEEDS

LEAST = 20
"""Configurations without which there is nothing to fit."""

BOUND = 0.5
"""Rank correlation out of sample, below which nothing is concluded from a problem."""

NEIGHBOURS = 25
"""Recorded configurations, of those expected to be as good, whose chance an answer has."""


def regressors():
    """Candidates by name, from points of the unit cube to logarithms of curves."""
    squares = FunctionTransformer(lambda x: np.hstack([x, x**2]))
    return {
        "ridge of places and their squares": make_pipeline(squares, StandardScaler(), RidgeCV(np.logspace(-1, 4, 11))),
        "extra trees": ExtraTreesRegressor(40, min_samples_leaf=2, max_features=0.5, random_state=0),
    }


def fast(fitted, y):
    """The function that predicts one point, some fifty times as fast as scikit-learn's; within the range of `y`."""
    if not isinstance(fitted, ExtraTreesRegressor):
        scaler, ridge = fitted[1], fitted[2]
        low, high, slopes = y.min(axis=0), y.max(axis=0), (ridge.coef_ / scaler.scale_).T
        constant = ridge.intercept_ - scaler.mean_ @ slopes
        return lambda point: np.clip(np.hstack([point, point**2]) @ slopes + constant, low, high)
    trees = [tree.tree_ for tree in fitted.estimators_]
    size, each = max(tree.node_count for tree in trees), np.arange(len(trees))
    feature, threshold, left, right = (
        np.array([np.pad(getattr(tree, name), (0, size - tree.node_count)) for tree in trees])
        for name in ("feature", "threshold", "children_left", "children_right")
    )
    value = np.array([np.pad(tree.value[..., 0], ((0, size - tree.node_count), (0, 0))) for tree in trees])

    def predict(point):
        node = np.zeros(len(trees), int)
        point = point.astype(np.float32)  # as scikit-learn splits
        while True:
            goes_left = point[feature[each, node]] <= threshold[each, node]
            below = np.where(goes_left, left[each, node], right[each, node])
            leaf = below < 0
            if leaf.all():
                return value[each, node].mean(axis=0)
            node = np.where(leaf, node, below)

    return predict


class Surrogate:
    """Answers any configuration of a recorded space with curves of validation, (epochs,), and with the truth.

    The truth of a configuration is the test metric, in the mean over the recorded seeds, of the epoch that is best by
    validation; lower is better. The expectation is of the regressor whose ranking by truth of configurations that it
    was not fitted to is best. On top of it a configuration has an own part, which is what the regressor missed on one
    of the recorded configurations that are about as good, curves and truth together: so a curve tells as much of the
    truth as recorded ones do. The configuration itself says which one. A seed's chance, of the curves alone, is drawn
    likewise from the differences between recorded seeds. Configurations that diverged are left out.

    Raises:
        DataError: there are too few curves.
    """

    def __init__(self, recording):
        facts = recording.facts
        self.base, self.name, self.facts = recording.base, recording.base.task, facts
        if facts["direction"] != "minimize":
            raise DataError(f"{self.name}: higher {facts['metric']} is better: give its complement")
        self.space = space.for_run(self.base, facts["modality"])
        runs = {(row["number"], row["seed"]): row for row in recording.rows if not row["why"]}
        numbers = [n for n in sorted({n for n, _ in runs}) if all((n, seed) in runs for seed in SEEDS)]
        if len(numbers) < LEAST:
            raise DataError(
                f"{self.name} has {len(numbers)} configurations of all seeds, and {LEAST} are needed: "
                "python -m tests.bench.record goes on where it ended"
            )
        self.configurations = len(numbers)
        self.diverged = len({row["number"] for row in recording.rows if row["why"]})
        self.x = np.array([self.encode(runs[n, SEEDS[0]]["searched"]) for n in numbers])
        y_RSC = np.array([[_row(runs[n, seed]) for n in numbers] for seed in SEEDS])  # seeds, configurations, columns
        self.y = y_RSC.mean(axis=0)
        folds = KFold(10, shuffle=True, random_state=0)
        guesses = {name: cross_val_predict(each, self.x, self.y, cv=folds) for name, each in regressors().items()}
        self.correlations = {name: _rank(guess[:, -1], self.y[:, -1]) for name, guess in guesses.items()}
        self.regressor = max(self.correlations, key=self.correlations.__getitem__)
        self._expect = fast(regressors()[self.regressor].fit(self.x, self.y), self.y)
        guess = guesses[self.regressor]
        self._missed, self._level = self.y - guess, guess[:, -1]
        # Of few seeds, deviations from their mean are too small.
        self._chances = (y_RSC - self.y) * np.sqrt(len(SEEDS) / (len(SEEDS) - 1))
        self._known = {}
        self.epoch_correlations = [
            _rank(np.minimum.accumulate(y_RSC[0], axis=1)[:, epoch], self.y[:, -1]) for epoch in range(self.base.epochs)
        ]

    @property
    def correlation(self):
        return self.correlations[self.regressor]

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
                point.append(0.5 if value is None else domains.place(of, value))
        return point

    def _own(self, values):
        """Logarithms of a configuration's curves and truth without the chance of a seed, and its neighbours."""
        key = tuple(sorted(values.items()))
        if key not in self._known:
            expected = self._expect(np.array(self.encode(values)))
            near = np.argsort(np.abs(self._level - expected[-1]), kind="stable")[:NEIGHBOURS]
            self._known[key] = expected + self._missed[near[_drawn(key, "own", len(near))]], near, key
        return self._known[key]

    def truth(self, values):
        """The test metric of a configuration in the mean over seeds."""
        return float(np.exp(self._own(values)[0][-1]))

    def answer(self, values, seed):
        """Curves of a run as it would report them: validation metric, validation loss, seconds since its start."""
        own, near, key = self._own(values)
        chances = self._chances[_drawn(key, (seed, "run"), len(SEEDS)), near[_drawn(key, (seed, "of"), len(near))]]
        metric, loss, _ = np.exp(_parts(own + chances))
        return metric, loss, np.cumsum(np.exp(_parts(own)[2]))


def _row(run):
    """Logarithms of a run: metric, loss and seconds of every epoch, and truth."""
    seconds = np.diff(run["seconds"], prepend=0.0)
    return np.log(np.maximum(np.concatenate([run["val_metric"], run["val_loss"], seconds, [run["test"]]]), 1e-4))


def _parts(row):
    """Metric, loss and seconds of every epoch."""
    return np.split(row[:-1], 3)


def _rank(a, b):
    return float(spearmanr(a, b).statistic)


def _drawn(key, salt, count):
    """A number below `count` that depends on key and salt alone."""
    return zlib.crc32(repr((salt, key)).encode()) % count
