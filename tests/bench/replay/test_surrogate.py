"""The stand-in for training ranks as its recording does, and adds the chance of a seed."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from pare.errors import DataError
from tests.bench.record import METHOD
from tests.bench.replay import fakes
from tests.bench.replay import surrogate as module
from tests.bench.replay.surrogate import Surrogate


@pytest.fixture(scope="module")
def surrogate():
    return Surrogate(fakes.recording(40))


def test_better_configurations_are_truly_better(surrogate):
    published = fakes.SPACE.published(fakes.BASE, METHOD)
    rates = np.geomspace(1.1e-5, 3e-4, 8)
    truths = [surrogate.truth(published | {"optimizer.lr.body": rate}) for rate in rates]
    assert np.mean(truths[-3:]) < np.mean(truths[:3])
    assert surrogate.correlation == max(surrogate.correlations.values()) > 0.3


def test_answer_has_chance_that_a_seed_repeats_and_the_truth_has_none(surrogate):
    values = fakes.SPACE.published(fakes.BASE, METHOD)
    one, again, other = (surrogate.answer(values, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one[0], other[0])
    assert [len(part) for part in one] == [fakes.BASE.epochs] * 3
    assert np.all(np.diff(one[2]) > 0), "seconds since the start"
    many = [surrogate.answer(values, seed)[0].min() for seed in range(40)]
    assert np.mean(many) == pytest.approx(surrogate.truth(values), rel=0.03)


def test_absent_settings_have_their_place_in_the_code(surrogate):
    published = fakes.SPACE.published(fakes.BASE, METHOD)
    constant = {name: value for name, value in published.items() if not name.startswith("curriculum.")}
    constant |= {"curriculum.family": "constant", "curriculum.start": 0.5}
    codes = surrogate.encode(published), surrogate.encode(constant)
    assert len(codes[0]) == len(codes[1])
    assert all(0 <= place <= 1 for code in codes for place in code)


@pytest.mark.parametrize("name", module.regressors())
def test_the_fast_prediction_is_scikit_learns(name):
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 6)), rng.normal(size=(40, 5))
    fitted = module.regressors()[name].fit(x, y)
    point = rng.random(6)
    expected = fitted.predict(point[None])[0]
    if not isinstance(fitted, ExtraTreesRegressor):
        expected = np.clip(expected, y.min(axis=0), y.max(axis=0))
    np.testing.assert_allclose(module.fast(fitted, y)(point), expected, rtol=1e-6)


def test_too_few_curves_are_told_in_one_line():
    with pytest.raises(DataError, match="ecg has 10 configurations") as caught:
        Surrogate(fakes.recording(10))
    assert "\n" not in str(caught.value)
