"""The replay counts every epoch once, and judges by what no contestant sees."""

import numpy as np
import pytest

from tests.bench.replay import fakes
from tests.bench.replay.contestants import Ours, makers
from tests.bench.replay.judge import Course, Mark, race, replay
from tests.bench.replay.tables import ranks

EPOCHS = fakes.BASE.epochs


class Formula:
    """A surrogate that is the formula itself, and remembers what it was asked."""

    name, base, space = "ecg", fakes.BASE, fakes.SPACE

    def __init__(self):
        self.asked = []

    def answer(self, values, _seed):
        self.asked.append(dict(values))
        curve = fakes.curve(values)
        return curve, 2 * curve, np.arange(1.0, EPOCHS + 1)

    def truth(self, values):
        return float(fakes.curve(values).min())


@pytest.fixture
def surrogate():
    return Formula()


@pytest.mark.parametrize("name", [name for name in makers(gp=False) if "Syne" not in name])
def test_contestants_are_charged_for_every_epoch_and_start_where_they_say(name, surrogate):
    course = replay(surrogate, makers(gp=False)[name](surrogate, 0), 0, 6 * EPOCHS)
    assert [mark.epochs for mark in course.marks][-1] == 6 * EPOCHS
    assert [mark.seconds for mark in course.marks][-1] == 6 * EPOCHS, "an epoch takes a second"
    assert (surrogate.asked[0] == fakes.SPACE.published(fakes.BASE, "pare")) == ("published" in name)
    assert course.trials == len(surrogate.asked) >= 6
    assert course.marks[-1].truth == course.at(6 * EPOCHS) >= min(map(surrogate.truth, surrogate.asked))


def test_random_search_cuts_nothing(surrogate):
    course = replay(surrogate, makers(gp=False)["random, from nothing"](surrogate, 0), 0, 5 * EPOCHS)
    assert course.trials == 5
    assert course.marks[-1].truth == min(map(surrogate.truth, surrogate.asked))


def test_a_trial_that_was_cut_is_chosen_only_where_there_is_no_whole_one(surrogate):
    study = Ours(surrogate, 0, published=True)
    values = [study.ask() for _ in range(2)]
    assert all(isinstance(number, int) for number, _ in values)
    course = Course([Mark(2, 2.0, 0.5), Mark(8, 8.0, 0.4)], 2)
    assert course.cost_to(0.45) == (8, 8.0)
    assert course.cost_to(0.3) == (np.inf, np.inf)
    assert course.at(7) == 0.5
    assert course.at(1) == np.inf


def test_ranks_are_of_the_truth_at_a_budget_and_ties_share():
    good, bad = (Course([Mark(6, 6.0, truth)], 1) for truth in (0.1, 0.2))
    found = ranks({"ecg": {"a": [good, bad], "b": [bad, bad], "c": [good, good]}}, 6)
    assert found.tolist() == [[[1.5, 3.0, 1.5], [2.5, 2.5, 1.0]]]


def test_the_race_trains_no_run_twice_and_never_flags_its_winner(surrogate):
    _, flagged, _, flagged_still, trained = race(surrogate, 0, 8 * EPOCHS)
    assert not flagged_still
    assert not flagged, "without chance the best is the best"
    assert 4 <= trained <= 7
