"""Samplers and pruners by option: each proposes and prunes within a method, and says what a resumed study would."""

from typing import get_args

import numpy as np
import optuna
import pytest
from optuna.pruners import SuccessiveHalvingPruner
from optuna.study import StudyDirection
from optuna.trial import TrialState

from pare.config import Run
from pare.search.study import SamplerName, SchedulerName, samplers, space
from pare.search.study.halving import Halving
from pare.search.study.study import Study

RUN = Run(task="ecg", data="d", body="roberta-mini", source="signals", source_data="s", epochs=9)


def run_out(url, trials, value, **options):
    """Runs a study to its end, every trial to where it is cut; returns what was asked and how it ended."""
    study = Study("ecg", url, "minimize", RUN, space.for_run(RUN, "1d"), ("pare",), trials, 3, **options)
    asked = []
    while (trial := study.ask()) is not None:
        asked.append(trial)
        for epoch in range(1, RUN.epochs + 1):
            if not study.report(trial.number, epoch, value(trial, epoch)) and epoch < RUN.epochs:
                study.prune(trial.number)
                break
        else:
            study.complete(trial.number, value(trial, epoch))
    return [a.run for a in asked], optuna.load_study(study_name="ecg", storage=url).trials


@pytest.mark.parametrize("name", get_args(SamplerName))
def test_a_resumed_study_proposes_what_an_undisturbed_one_would(name, tmp_path):
    def value(asked, epoch):
        return asked.run.optimizer.lr.body + 1 / epoch

    whole, _ = run_out(f"sqlite:///{tmp_path}/a.db", 9, value, sampler=name)
    parts = []
    for trials in (4, 7, 9):
        runs, _ = run_out(f"sqlite:///{tmp_path}/b.db", trials, value, sampler=name)
        parts += runs
    assert parts == whole
    assert len(set(whole)) == 9


@pytest.mark.parametrize("name", ["tpe", "cmaes"])  # a Gaussian process takes too long for a test
def test_samplers_learn(name, tmp_path):
    def value(asked, epoch):
        return abs(asked.run.gate.threshold - 0.55) + 1 / epoch

    runs, _ = run_out(f"sqlite:///{tmp_path}/s.db", 26, value, sampler=name, scheduler="none")
    early, late = (sum(abs(run.gate.threshold - 0.55) for run in part) for part in (runs[2:10], runs[-8:]))
    assert late < early


def rising(asked, epoch):
    return 0.1 * asked.number + 1 / epoch


@pytest.mark.parametrize(("name", "cut"), [("asha", True), ("median", True), ("hyperband", True), ("none", False)])
def test_schedulers_cut_what_falls_behind(name, cut, tmp_path):
    assert name in get_args(SchedulerName)
    _, trials = run_out(f"sqlite:///{tmp_path}/s.db", 14, rising, scheduler=name)
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert bool(pruned) == cut
    assert trials[0].state == trials[1].state == TrialState.COMPLETE, (
        "the first of each method has no one to fall behind"
    )


def test_hyperband_starts_brackets_at_different_epochs(tmp_path):
    _, trials = run_out(f"sqlite:///{tmp_path}/s.db", 24, rising, scheduler="hyperband")
    ends = {trial.last_step for trial in trials if trial.state == TrialState.PRUNED}
    assert {1, 3} <= ends
    assert all(trial.last_step >= 3 for trial in trials if trial.number % 3 == 1)
    assert all(trial.last_step == 9 for trial in trials if trial.number % 3 == 2)


def test_a_method_is_not_measured_against_another():
    study = optuna.create_study(pruner=samplers.pruner("median", 9))
    for _ in range(8):
        trial = study.ask()
        trial.set_user_attr("method", "nft")
        for epoch in range(1, 4):
            trial.report(0.1, epoch)
        study.tell(trial, 0.1)
    slow = study.ask()
    slow.set_user_attr("method", "pare")
    slow.report(0.9, 3)
    assert not slow.should_prune()


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("rungs", [[[1, 3, 9]], [[1, 3, 9], [3, 9], [9]]])
def test_halving_says_what_optunas_own_says(direction, rungs):
    """Many trials at a time, some with NaN, some taken up by another session."""
    brackets = len(rungs)
    own = optuna.create_study(direction=direction, pruner=Halving(rungs))
    theirs = [
        optuna.create_study(direction=direction, pruner=SuccessiveHalvingPruner(1, 3, bracket))
        for bracket in range(brackets)
    ]
    random, live, cuts = np.random.default_rng(0), {}, 0
    for turn in range(400):
        if turn == 200:
            own.pruner = Halving(rungs)
        if len(live) < 6:
            trial = own.ask()
            trial.set_user_attr("method", "pare")
            live[trial] = theirs[trial.number % brackets].ask(), 0
        trial = list(live)[random.integers(len(live))]
        other, epoch = live.pop(trial)
        value = float("nan") if random.random() < 0.02 else float(random.integers(9))
        for each in (trial, other):
            each.report(value, epoch + 1)
        cut = trial.should_prune()
        assert cut == other.should_prune()
        cuts += cut
        if cut or epoch == 8:
            own.tell(trial, state=TrialState.PRUNED)
        else:
            live[trial] = other, epoch + 1
    assert 50 < cuts < 350


def ended(number, value, state=TrialState.COMPLETE, step=1):
    reached = None if state == TrialState.FAIL else value
    trial = optuna.create_trial(state=state, value=reached, intermediate_values={step: value})
    trial.number = number
    return trial


def test_a_window_holds_the_best_the_latest_and_a_sample_whoever_ended_first(monkeypatch):
    monkeypatch.setattr(samplers, "WINDOW", 8)
    trials = [ended(number, abs(number - 20.0)) for number in range(50)]
    windows = [samplers.TrialWindow(StudyDirection.MINIMIZE) for _ in range(2)]
    for trial in trials:
        windows[0].add(trial)
    for trial in np.random.default_rng(0).permutation(np.array(trials, dtype=object)):
        windows[1].add(trial)
    one, other = ([t.number for t in window.trials([ended(51, 0.0, TrialState.RUNNING)])] for window in windows)
    assert one == other
    assert len(one) == 9
    assert {20, 48, 49, 51} < set(one)
    assert {19, 21} & set(one)


def test_a_windows_sample_stands_for_the_whole_search():
    window = samplers.TrialWindow(StudyDirection.MINIMIZE)
    for number in range(3000):
        window.add(ended(number, 3000.0 - number))
    seen = np.array([trial.number for trial in window.trials([])])
    assert len(seen) == samplers.WINDOW
    assert np.histogram(seen, bins=10, range=(0, 3000))[0][:9].min() > 15


def test_a_window_ranks_as_the_sampler_does(monkeypatch):
    monkeypatch.setattr(samplers, "WINDOW", 8)
    window = samplers.TrialWindow(StudyDirection.MAXIMIZE)
    cut = TrialState.PRUNED
    for trial in [
        ended(0, 0.9, cut, 1),
        ended(1, 0.5, cut, 3),
        ended(2, 0.1),
        ended(3, 0.2),
        ended(4, 1.0, TrialState.FAIL),
    ]:
        window.add(trial)
    for number in range(5, 20):
        window.add(ended(number, 0.0, cut, 1))
    assert {2, 3} < {trial.number for trial in window.trials([])}


def test_a_resumed_study_proposes_from_the_same_window(monkeypatch, tmp_path):
    monkeypatch.setattr(samplers, "WINDOW", 8)

    def value(asked, epoch):
        return asked.run.optimizer.lr.body + 1 / epoch

    whole, _ = run_out(f"sqlite:///{tmp_path}/a.db", 24, value)
    parts = []
    for trials in (9, 17, 24):
        runs, _ = run_out(f"sqlite:///{tmp_path}/b.db", trials, value)
        parts += runs
    assert parts == whole
