"""Rungs cut only what they can judge, and a resumed study judges like an undisturbed one."""

from itertools import count

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from scipy.stats import spearmanr

from pare.config import Run
from pare.search.study import halving, space
from pare.search.study.halving import BOUND, REDUCTION, MeasuredHalving, completed, is_exempt, rungs
from pare.search.study.study import Study

EPOCHS = 9
RUN = Run(task="ecg", data="d", body="roberta-mini", source="signals", source_data="s", epochs=EPOCHS)


def study_of(trials, url=None):
    return Study("ecg", url, "minimize", RUN, space.for_run(RUN, "1d"), ("pare",), trials, 3, "random")


def curve(number, carries):
    """A curve whose epochs before the last tell its end, or have nothing to do with it; best so far."""
    rng = np.random.default_rng(number)
    end, other = rng.random(2)
    return np.append((end if carries else other) + 2 - np.arange(EPOCHS - 1) / EPOCHS, end)


def run_out(study, carries):
    """Runs a study to its end, one trial at a time; yields every trial that was cut, with its rung."""
    pruner = study._study.pruner
    while (asked := study.ask()) is not None:
        for epoch, value in enumerate(curve(asked.number, carries), start=1):
            known = [pruner.correlation(asked.method, rung) for rung in range(len(rungs(EPOCHS)))]
            if not study.report(asked.number, epoch, float(value)) and epoch < EPOCHS:
                rung = len(completed(study._frozen(asked.number))) - 1
                study.prune(asked.number)
                yield asked.number, rung, known[rung]
                break
        else:
            study.complete(asked.number, float(value))


@pytest.mark.parametrize("carries", [True, False])
def test_no_trial_is_cut_by_a_rung_whose_correlation_is_below_the_bound(carries):
    cuts = list(run_out(study_of(150), carries))
    assert cuts
    assert all(correlation >= BOUND for _, _, correlation in cuts)
    assert not any(
        halving.is_exempt(optuna.trial.create_trial(value=0.0)) is False and number == 0 for number, *_ in cuts
    )


def test_a_rung_that_is_seen_to_say_nothing_cuts_no_more_and_one_that_is_seen_to_tell_begins_to():
    misled = [number for number, *_ in run_out(study_of(150), carries=False)]
    assert max(misled) < 110, "by then the study has seen enough whole trials"
    told = list(run_out(study_of(150), carries=True))
    assert rungs(EPOCHS)[1] < BOUND, "by the recorded curves alone the first rung would cut nothing"
    assert 0 in {rung for _, rung, _ in told}


def test_the_correlation_is_of_the_trials_that_no_rung_could_cut():
    study = study_of(120)
    list(run_out(study, carries=True))
    whole = [
        t for t in study.ended() if is_exempt(t) and t.state == TrialState.COMPLETE and t.user_attrs["method"] == "pare"
    ]
    assert len(whole) > 120 / halving.WHOLE * 0.7
    values, ends = zip(*((completed(trial)[0], trial.value) for trial in whole), strict=True)
    measured = min(spearmanr(values, ends).statistic, 0.95)
    estimate = study._study.pruner.correlation("pare", 0)
    assert rungs(EPOCHS)[1] < estimate <= measured


def test_exempt_trials_and_the_first_three_at_a_rung_go_on():
    cut = {number for number, *_ in run_out(study_of(60), carries=True)}
    ended = {trial.number: trial for trial in study_of(1).ended()}
    assert not ended
    assert cut.isdisjoint({0, 1, 2, 3}), "three of pare, and the only one of nft"
    exempt = {n for n in range(60) if n * halving._SCATTER % 2**32 < 2**32 // halving.WHOLE}
    assert len(exempt) == pytest.approx(60 / halving.WHOLE, abs=2)
    assert cut.isdisjoint(exempt)


def test_a_resumed_study_cuts_what_an_undisturbed_one_would(tmp_path):
    whole = list(run_out(study_of(60, f"sqlite:///{tmp_path}/a.db"), carries=True))
    parts = []
    for trials in (13, 37, 60):
        parts += run_out(study_of(trials, f"sqlite:///{tmp_path}/b.db"), carries=True)
    assert parts == whole


def test_rungs_are_at_the_same_progress_however_long_a_trial_is():
    assert list(rungs(9)) == [1, 3, 6]
    assert list(rungs(90)) == [10, 30, 60]
    assert list(rungs(6)) == [1, 2, 4]
    assert rungs(1) == {}
    assert next(n for n in count(1) if len(MeasuredHalving(n)._recorded) == REDUCTION) == 4
