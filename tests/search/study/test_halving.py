"""Rungs cut only what they can judge, and a resumed study judges like an undisturbed one."""

from itertools import count

import numpy as np
import optuna
import pytest
from scipy.stats import spearmanr

from pare.config import Run
from pare.search.study import halving, space
from pare.search.study.halving import BOUND, MeasuredHalving, completed, rungs
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
            if not study.report(asked.number, epoch, float(value)) and epoch < EPOCHS:
                rung = len(completed(study._frozen(asked.number))) - 1
                yield asked.number, rung, pruner.correlation(asked.method, rung)
                study.prune(asked.number)
                break
        else:
            study.complete(asked.number, float(value))


@pytest.mark.parametrize("carries", [True, False])
def test_no_trial_is_cut_by_a_rung_whose_correlation_is_below_the_bound(carries):
    cuts = list(run_out(study_of(100), carries))
    assert cuts
    assert all(correlation >= BOUND for _, _, correlation in cuts)
    assert {0, 1}.isdisjoint(number for number, *_ in cuts), "the first of pare, and the only one of nft"


def test_a_rung_that_is_seen_to_say_nothing_cuts_no_more_and_one_that_is_seen_to_tell_cuts_on():
    misled = [number for number, *_ in run_out(study_of(150), carries=False)]
    assert max(misled) < 120, "by then the study has seen enough whole trials"
    told = [number for number, *_ in run_out(study_of(150), carries=True)]
    assert max(told) > 140


def test_the_best_two_go_on_however_few_there_are():
    study = study_of(5)
    cut = []
    while (asked := study.ask()) is not None:
        value = {0: 0.3, 2: 0.9, 3: 0.5, 4: 0.6}.get(asked.number, 1.0)
        if not study.report(asked.number, 1, value):
            cut.append(asked.number)
            study.prune(asked.number)
    assert cut == [4], "1 is nft's only one; 3 is the second best of three, 4 the third of four"


@pytest.mark.parametrize("true", [0.2, 0.8])
def test_the_correlation_is_of_all_trials_although_only_the_best_are_whole(true, monkeypatch):
    monkeypatch.setattr(halving, "WEIGHT", 0)
    monkeypatch.setattr(halving, "_LATEST", 1000)
    rng = np.random.default_rng(0)
    early = rng.normal(size=3000)
    end = true * early + np.sqrt(1 - true**2) * rng.normal(size=3000)
    pruner = MeasuredHalving(EPOCHS)
    pruner._values = {("pare", 0, 0): sorted(early)}
    whole = np.argsort(early)[: 3000 // MeasuredHalving.reduction]
    for number in whole:
        attributes = {"completed_rung_0": early[number]}
        trial = optuna.trial.create_trial(
            value=end[number], user_attrs={"method": "pare"}, system_attrs=attributes, distributions={}
        )
        trial.number = int(number)
        pruner.ended(trial)
    among = spearmanr(early[whole], end[whole]).statistic
    assert abs(pruner.correlation("pare", 0) - true) < min(0.1, true - among)


def test_a_resumed_study_cuts_what_an_undisturbed_one_would(tmp_path):
    whole = list(run_out(study_of(60, f"sqlite:///{tmp_path}/a.db"), carries=True))
    parts = []
    for trials in (13, 37, 60):
        parts += run_out(study_of(trials, f"sqlite:///{tmp_path}/b.db"), carries=True)
    assert parts == whole


def test_rungs_are_at_the_same_progress_however_long_a_trial_is():
    assert list(rungs(9)) == [1, 4]
    assert list(rungs(90)) == [10, 40]
    assert list(rungs(6)) == [1, 3]
    assert rungs(1) == {}
    assert next(n for n in count(1) if len(MeasuredHalving(n)._recorded) == len(halving.PROGRESS)) == 3
