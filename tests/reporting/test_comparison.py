import numpy as np
import pytest
from scipy import stats

from pare.data.baselines import Score
from pare.data.task import Metric
from pare.reporting.comparison import against_default, conclude, paired

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


def runs(method, *tests):
    """Rows of a confirmation, or of the published configuration's runs, a seed each."""
    return [
        {"method": method, "seed": seed, "test": test, "validation": test, "state": "complete"}
        for seed, test in enumerate(tests, 1)
    ]


def searched(method, *objectives, states=()):
    """Rows of the search's trials in the order of their start, the published configuration first."""
    states = [*states, *["complete"] * (len(objectives) - len(states))]
    return [
        {"method": method, "started": number, "objective": value, "state": state, "config.mix": number, "config.tau": 0}
        for number, (value, state) in enumerate(zip(objectives, states, strict=True))
    ]


CLEAR = [*runs("pare", 0.30, 0.31, 0.32, 0.30, 0.31), *runs("nft", 0.35, 0.37, 0.37, 0.35, 0.37)]
UNCLEAR = [*runs("pare", 0.30, 0.36, 0.32, 0.41, 0.31), *runs("nft", 0.35, 0.31, 0.37, 0.34, 0.36)]


@pytest.mark.parametrize(
    ("metric", "confirm", "verdict"),
    [
        (LOSS, CLEAR, "pare is better than nft on 5 seeds: its loss is lower by 0.054 (95 % interval 0.047 to 0.061)."),
        (
            GAIN,
            CLEAR,
            "nft is better than pare on 5 seeds: its gain is higher by 0.054 (95 % interval 0.047 to 0.061).",
        ),
        (LOSS, UNCLEAR, "pare and nft cannot be told apart on 5 seeds (loss -0.006, 95 % interval -0.081 to +0.069)."),
        (LOSS, CLEAR[:2] + CLEAR[5:7], "2 seeds are too few to tell pare (loss -0.055) from nft."),
        (LOSS, CLEAR[:1] + CLEAR[5:6], "1 seed is too few to tell pare (loss -0.05) from nft."),
        (LOSS, CLEAR[:1] + CLEAR[6:7], "pare and nft have no seed in common."),
        (LOSS, CLEAR[:5], "pare ran without nft to compare with."),
        (LOSS, CLEAR[5:], "nft ran without another method to compare with."),
        (LOSS, [], "Nothing has been tested on fresh seeds yet: there is nothing to conclude."),
        (LOSS, runs("pare", None, None), "Nothing has been tested on fresh seeds yet: there is nothing to conclude."),
    ],
)
def test_the_verdict_is_that_of_the_interval(metric, confirm, verdict):
    assert conclude(metric, [], confirm, [])[0] == verdict


def test_the_interval_in_the_verdict_is_the_leaderboards():
    mean, low, high = paired(UNCLEAR[:5], UNCLEAR[5:])
    assert f"({LOSS.name} {mean:+.2g}, 95 % interval {low:+.2g} to {high:+.2g})" in conclude(LOSS, [], UNCLEAR, [])[0]


def test_every_method_is_compared_and_a_baseline_that_is_ahead_is_named():
    confirm = [*CLEAR, *runs("fpt", 0.5, 0.6, 0.5)]
    reached = [Score("constant", 0.9, 0.9), Score("ridge regression", 0.2, 0.2)]
    said = conclude(LOSS, [], confirm, [], reached)[0]
    assert said.startswith("pare is better than nft on 5 seeds: ")
    assert "; nft is better than fpt on 3 seeds: " in said
    assert said.endswith("; ridge regression (0.2), which needs no fine-tuning, is better than the best mean, 0.308.")


def test_a_baseline_that_is_as_good_is_named_too():
    reached = [Score("constant", 0.308, 0.308), Score("1-NN", 0.4, 0.4)]
    said = conclude(LOSS, [], CLEAR, [], reached)[0]
    assert said.endswith("; constant (0.308), which needs no fine-tuning, is as good as the best mean, 0.308.")


def test_methods_of_too_few_seeds_share_a_clause_and_pare_comes_first():
    confirm = [*runs("cutmix", 0.3, 0.4), *runs("nft", 0.3, 0.4), *runs("pare", 0.2, 0.3), *runs("fpt", 0.5)]
    assert conclude(LOSS, [], confirm, [])[0] == (
        "2 seeds are too few to tell pare (loss -0.1) and cutmix (loss +0) from nft; "
        "1 seed is too few to tell fpt (loss +0.2) from nft."
    )


def test_what_was_searched_is_counted():
    trials = [*searched("pare", 0.5, 0.4, None, states=("complete", "pruned", "failed")), *searched("nft", 0.5)]
    assert conclude(LOSS, trials, CLEAR, [])[1] == (
        "The search tried 4 trials (3 of pare, 1 of nft), which differ in 1 setting: 2 to the end, 1 cut short, "
        "1 failed."
    )


@pytest.mark.parametrize(
    ("trials", "chosen", "published", "worth"),
    [
        (searched("pare", 0.5, 0.6, 0.7), (), (), "No trial of pare was better on validation than the settings"),
        (searched("pare", 0.5, 0.2, states=("complete", "pruned")), (), (), "(0.5; 1 tried after it)."),
        (searched("pare", 0.5, 0.4, states=("pruned",)), (), (), "began with did not run to their end"),
        (
            searched("pare", 0.5, 0.4),
            (),
            (),
            "began with 0.5; the best of 2 is partly",
        ),
        (
            searched("pare", 0.5, 0.4),
            (0.41, 0.42),
            (0.5, 0.5),
            "On fresh seeds: 2 seeds are too few to tell the choice (loss -0.085) from the start.",
        ),
        (
            searched("pare", 0.5, 0.4),
            (0.41, 0.42, 0.4),
            (0.5, 0.52, 0.5),
            "the choice is better than the start",
        ),
        (
            searched("pare", 0.5, 0.4),
            (0.61, 0.62, 0.6),
            (0.5, 0.52, 0.5),
            "the start is better than the choice",
        ),
        (
            searched("pare", 0.5, 0.4),
            (0.4, 0.6, 0.5),
            (0.5, 0.5, 0.5),
            "the choice and the start cannot be told",
        ),
    ],
)
def test_the_search_is_measured_by_its_own_start(trials, chosen, published, worth):
    said = conclude(LOSS, trials, runs("pare", *chosen), runs("pare", *published))
    assert worth in said[-1]


def test_a_race_that_the_start_wins_is_told():
    trials = searched("pare", 0.5, 0.4)
    kept = [row | {"config.mix": 0, "config.tau": 0} for row in runs("pare", 0.5, 0.5)]
    assert conclude(LOSS, trials, kept, [])[-1].endswith(
        "; but fresh seeds preferred the latter, which are what was tested."
    )
    race = [{"method": "pare"}]
    said = conclude(LOSS, trials, runs("pare", 0.4, 0.4), runs("pare", 0.5, 0.5), race=race)[-1]
    assert "On fresh seeds, the first of which chose it: 2 seeds are too few" in said
    other = [row | {"config.mix": 1} for row in kept]
    assert conclude(LOSS, trials, other, [])[-1].endswith("fresh seeds have not compared the two.")


def test_a_single_trial_is_no_search_nor_are_those_that_have_not_ended():
    going = searched("nft", 0.5, 0.6, states=("complete", "running"))
    assert conclude(LOSS, going, CLEAR, [])[1:] == [
        "The search tried 2 trials (2 of nft), which differ in 1 setting: 1 to the end, 1 unfinished."
    ]
    assert len(conclude(LOSS, searched("nft", 0.5), CLEAR, [])) == 2
