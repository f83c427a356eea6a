"""The stand-in for training ranks as its recording does, and adds the chance of a seed."""

import numpy as np
import pytest

from pare.errors import DataError
from tests.bench import fakes
from tests.bench.record import METHOD
from tests.bench.surrogate import Surrogate


@pytest.fixture(scope="module")
def surrogate():
    return Surrogate(fakes.recording(40))


def test_better_configurations_are_expected_to_be_better(surrogate):
    published = fakes.SPACE.published(fakes.BASE, METHOD)
    good, bad = (surrogate.score(published | {"optimizer.lr.body": rate}) for rate in (3e-4, 1.1e-5))
    assert good < bad
    assert surrogate.correlations[surrogate.name] == max(surrogate.correlations.values()) > 0.3


def test_answer_is_the_expectation_with_chance_that_a_seed_repeats(surrogate):
    values = fakes.SPACE.published(fakes.BASE, METHOD)
    one, again, other = (surrogate.answer(values, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    assert one.shape == (fakes.BASE.epochs,)
    assert np.abs(np.log(one / surrogate.expected(values))).max() < 0.1


def test_absent_settings_have_their_place_in_the_code(surrogate):
    published = fakes.SPACE.published(fakes.BASE, METHOD)
    constant = {name: value for name, value in published.items() if not name.startswith("curriculum.")}
    constant |= {"curriculum.family": "constant", "curriculum.start": 0.5}
    codes = surrogate.encode(published), surrogate.encode(constant)
    assert len(codes[0]) == len(codes[1])
    assert all(0 <= place <= 1 for code in codes for place in code)


def test_too_few_curves_are_told_in_one_line():
    with pytest.raises(DataError, match="ecg has 8 curves") as caught:
        Surrogate(fakes.recording(10))
    assert "\n" not in str(caught.value)
