"""What the package knows is what its recorded curves teach, and helps on problems that did not teach it."""

import json

import pytest

from tests.bench import experience
from tests.bench.problems import PROBLEMS
from tests.bench.record import load, path_of
from tests.bench.replay import fakes


def test_the_shipped_model_is_what_the_curves_teach():
    shipped = json.loads(experience.FILE.read_text())["weights"]
    fitted = experience.fit(experience.recordings())
    assert shipped.keys() == fitted.keys()
    for setting, weights in fitted.items():
        assert shipped[setting] == pytest.approx(weights, abs=2e-4)


@pytest.mark.parametrize("problem", ["advection", "digits"])
def test_it_ranks_a_problem_that_it_was_not_fitted_to(problem):
    weights = experience.fit(experience.recordings(leave_out=problem))
    assert experience.correlation(weights, load(path_of(problem))) > 0.4


def test_what_is_left_out_teaches_nothing():
    assert len(experience.recordings()) == len(PROBLEMS) * len(experience.METHODS)
    left = [recording.base.task for recording in experience.recordings(leave_out="ecg")]
    assert len(left) == (len(PROBLEMS) - 1) * len(experience.METHODS)
    assert "ecg" not in left


def test_it_finds_the_setting_that_matters():
    weights = experience.fit([fakes.recording(60)])
    rate = weights["optimizer.lr.body"]["place"]
    assert rate < -0.3, "best in the upper half"
    assert rate < min(terms.get("place", 0.0) for name, terms in weights.items() if name != "optimizer.lr.body")
