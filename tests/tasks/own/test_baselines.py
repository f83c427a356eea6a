import numpy as np
import pytest

from pare.data.task import Split
from pare.tasks.own import baselines
from pare.tasks.own.baselines import BOOSTING, LOGISTIC, RIDGE
from pare.tasks.own.metrics import METRICS

RNG = np.random.default_rng(0)
X = RNG.standard_normal((90, 1, 6)).astype(np.float32)


def _split(y, rows):
    return Split(X[rows], y[rows], np.arange(len(y[rows])))


@pytest.mark.parametrize("name", [LOGISTIC, BOOSTING])
def test_classes_are_learnt_and_scored_like_a_models_logits(name):
    y = np.argmax(X[:, 0, :3], axis=1)
    train, test = _split(y, slice(0, 60)), _split(y, slice(60, 90))
    predictions = baselines.fitted(name, train).predict(test.x)
    assert predictions.shape == (30, 3)
    np.testing.assert_allclose(np.exp(predictions).sum(1), 1, atol=1e-6)
    assert METRICS["auroc-ovo"].compute(predictions, test.y) > 0.85


def test_ridge_predicts_in_the_units_of_the_targets():
    y = (1000 + 50 * X[:, 0, :2] @ np.array([[1.0, 2.0], [0.5, -1.0]])).astype(np.float32)
    train, test = _split(y, slice(0, 60)), _split(y, slice(60, 90))
    predictions = baselines.fitted(RIDGE, train).predict(test.x)
    assert predictions.shape == (30, 2)
    assert METRICS["r2"].compute(predictions, test.y) < 1e-3


def test_there_is_none_of_another_name_or_of_too_much():
    train = _split(np.arange(90) % 2, slice(0, 90))
    assert baselines.fitted("", train) is None
    large = np.broadcast_to(np.float32(0), (10, 1, 3_000_000))
    assert baselines.fitted(LOGISTIC, Split(large, train.y[:10], train.group[:10])) is None
