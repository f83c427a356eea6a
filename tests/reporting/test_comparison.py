import numpy as np
import pytest
from scipy import stats

from pare.data.task import Metric
from pare.reporting.comparison import against_default, paired

LOSS = Metric("loss", "minimize", lambda *_: 0.0)
GAIN = Metric("gain", "maximize", lambda *_: 0.0)


def scores(**by_seed):
    return [{"seed": int(seed[1:]), "test": value} for seed, value in by_seed.items()]


def test_the_interval_is_that_of_a_paired_t_test():
    ours, theirs = np.random.default_rng(0).normal(size=(2, 6))
    rows = [[{"seed": s, "test": float(v)} for s, v in enumerate(values)] for values in (ours, theirs[::1])]
    expected = stats.ttest_rel(ours, theirs)
    low, high = expected.confidence_interval(0.95)
    assert paired(*rows) == pytest.approx((float(np.mean(ours - theirs)), low, high))


def test_only_seeds_of_both_count():
    mean, low, high = paired(scores(s1=0.5, s2=0.7, s9=100.0), scores(s2=0.6, s1=0.5, s3=-50.0))
    assert mean == pytest.approx(0.05)
    assert low < mean < high


def test_one_seed_has_no_interval_and_none_no_difference():
    assert paired(scores(s1=0.5), scores(s1=0.4)) == (pytest.approx(0.1), None, None)
    assert paired(scores(s1=0.5), scores(s2=0.4)) == (None, None, None)
    assert paired(scores(s1=0.5), scores(s1=None)) == (None, None, None)


def validated(values, state="complete"):
    return [{"seed": seed, "validation": value, "state": state} for seed, value in enumerate(values)]


@pytest.mark.parametrize(("metric", "worse"), [(LOSS, True), (GAIN, False)])
def test_a_choice_behind_the_published_configuration_is_told(metric, worse):
    assert against_default(metric, validated([0.5, 0.7]), validated([0.5, 0.5])) == (0.5, worse)


def test_without_runs_of_the_published_configuration_nothing_is_told():
    assert against_default(LOSS, validated([0.5]), []) == (None, False)
    assert against_default(LOSS, validated([0.5]), validated([0.1], state="failed")) == (None, False)
