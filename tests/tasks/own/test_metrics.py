import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pare.tasks.own.metrics import DEFAULT, FITTING, METRICS

RNG = np.random.default_rng(0)


def test_every_kind_has_a_default_that_fits_it():
    for kind, name in DEFAULT.items():
        assert name == FITTING[kind][0]
        assert set(FITTING[kind]) <= set(METRICS)


def test_one_against_one_is_scikit_learns():
    logits, y = RNG.standard_normal((200, 4)), RNG.integers(0, 4, 200)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    compute = METRICS["auroc-ovo"].compute
    assert compute(logits, y) == pytest.approx(roc_auc_score(y, p, multi_class="ovo"))
    assert compute(logits[:, :2], y % 2) == pytest.approx(roc_auc_score(y % 2, logits[:, 1] - logits[:, 0]))


def test_one_against_one_counts_the_classes_that_are_there():
    logits, compute = RNG.standard_normal((200, 4)), METRICS["auroc-ovo"].compute
    two = RNG.integers(0, 2, 200) * 3
    assert compute(logits, two) == pytest.approx(roc_auc_score(two == 3, logits[:, 3] - logits[:, 0]))
    assert compute(logits, np.full(200, 2)) == 0.5


def test_regression_is_judged_against_the_mean():
    y = RNG.standard_normal((50, 2)) * (1, 100)
    assert METRICS["r2"].compute(y, y) == 0
    assert METRICS["r2"].compute(np.broadcast_to(y.mean(0), y.shape), y) == pytest.approx(1)
