"""The replay feeds the real study and counts every epoch, once."""

import numpy as np
import pytest

from pare import tasks
from tests.bench import fakes
from tests.bench.search import CHANCE, DEFAULT, Course, replay, settings

EPOCHS = fakes.BASE.epochs


class Formula:
    """A surrogate that is the formula itself, and remembers what it was asked."""

    task, base, space = tasks.get("ecg"), fakes.BASE, fakes.SPACE

    def __init__(self):
        self.asked = []

    def answer(self, values, _seed):
        self.asked.append(dict(values))
        return fakes.curve(values)

    def score(self, values):
        return float(fakes.curve(values).min())


@pytest.fixture
def surrogate():
    return Formula()


def test_chance_trains_every_trial_to_its_end(surrogate):
    course = replay(surrogate, CHANCE, seed=0, epochs=10 * EPOCHS)
    assert course.trials == 10
    assert [spent for spent, _ in course.marks] == [EPOCHS * (n + 1) for n in range(10)]
    assert course.score_at(10 * EPOCHS) == pytest.approx(min(surrogate.score(values) for values in surrogate.asked))


def test_pruned_trials_cost_what_they_ran(surrogate):
    course = replay(surrogate, DEFAULT, seed=0, epochs=10 * EPOCHS)
    spent = np.diff([0] + [spent for spent, _ in course.marks])
    assert course.trials > 10
    assert set(spent) <= {1, 3, EPOCHS}, "ASHA's rungs"
    assert surrogate.score(course.best) == course.score_at(10 * EPOCHS)


def test_slots_share_the_epochs(surrogate):
    course = replay(surrogate, CHANCE, seed=0, epochs=4 * EPOCHS, slots=4)
    assert [spent for spent, _ in course.marks] == [4 * EPOCHS - 3, 4 * EPOCHS - 2, 4 * EPOCHS - 1, 4 * EPOCHS]


def test_search_ends_at_its_goal(surrogate):
    whole = replay(surrogate, CHANCE, seed=0, epochs=20 * EPOCHS)
    goal = whole.score_at(20 * EPOCHS)
    assert replay(surrogate, CHANCE, seed=0, epochs=20 * EPOCHS, goal=goal).marks[-1] == (whole.epochs_to(goal), goal)


@pytest.mark.parametrize(("priors", "first"), [("near", True), ("published", True), ("none", False)])
def test_start_is_what_the_setting_says(surrogate, priors, first):
    replay(surrogate, DEFAULT._replace(priors=priors), seed=0, epochs=EPOCHS)
    published = fakes.SPACE.published(fakes.BASE, "pare")
    assert (surrogate.asked[0] == published) == first


def test_hint_comes_after_the_priors(surrogate):
    published = fakes.SPACE.published(fakes.BASE, "pare")
    hint = published | {"optimizer.lr.body": 5e-4}
    priors = len(fakes.SPACE.priors(fakes.BASE, "pare"))
    course = replay(surrogate, DEFAULT._replace(hints=True), 0, (priors + 1) * EPOCHS, hints=[(fakes.SPACE, hint)])
    assert surrogate.asked[priors]["optimizer.lr.body"] == pytest.approx(5e-4)
    assert course.best["optimizer.lr.body"] == pytest.approx(5e-4)


def test_course_that_never_arrives_needs_for_ever():
    course = Course([(6, 0.5), (12, 0.4)], {}, 2)
    assert course.epochs_to(0.45) == 12
    assert course.epochs_to(0.3) == np.inf
    assert course.score_at(11) == 0.5
    assert course.score_at(5) == np.inf


def test_comparison_changes_one_choice_at_a_time_unless_it_is_full():
    few, every = settings(["tpe", "random"], full=False), settings(["tpe", "random"], full=True)
    assert few[0] == DEFAULT
    assert all(sum(a != b for a, b in zip(setting, DEFAULT, strict=True)) == 1 for setting in few[1:-1])
    assert len(set(every)) == len(every) == 2 * 4 * 3 * 2
