"""Samplers and pruners by option: each proposes and prunes within a method, and says what a resumed study would."""

from typing import get_args

import optuna
import pytest
from optuna.trial import TrialState

from pare.config import Run
from pare.search.study import samplers, space
from pare.search.study.samplers import SamplerName, SchedulerName
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
