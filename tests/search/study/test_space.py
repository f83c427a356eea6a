import warnings

import optuna
import pytest

from pare import tasks
from pare.config import Run
from pare.method.catalogue import METHODS
from pare.search.study import space

RUN = Run(task="ecg", data="d", body="roberta-mini", source="signals", source_data="s")
BASES = {
    (name, preset): RUN.replace({"task": name, **tasks.get(name).paper, **changes})
    for name in tasks.names()
    for preset, changes in (("laptop", tasks.get(name).laptop), ("paper", {}))
}


SPACES = [
    pytest.param(base, space.for_run(base, tasks.get(name).modality), id=f"{name}-{preset}")
    for (name, preset), base in BASES.items()
]


@pytest.mark.parametrize(("base", "searched"), SPACES)
@pytest.mark.parametrize("method", METHODS)
def test_whatever_is_suggested_is_a_valid_run(base, searched, method):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(50):
        trial = study.ask()
        run = base.replace({**searched.suggest(trial, method), "method": method})
        assert run.curriculum.end <= run.curriculum.start
        assert set(trial.params) <= set(searched.domains())


@pytest.mark.parametrize(("base", "searched"), SPACES)
@pytest.mark.parametrize("method", METHODS)
def test_published_values_lie_in_the_space_and_give_the_published_run(base, searched, method):
    study = optuna.create_study()
    study.enqueue_trial(searched.published(base, method))
    trial = study.ask()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Optuna warns of values outside their range
        values = searched.suggest(trial, method)
    flat = base.flat()
    for name in ("optimizer.lr.body", "optimizer.weight_decay"):
        low, high = searched.domains()[name].low, searched.domains()[name].high
        assert values[name] == pytest.approx(min(max(flat[name], low), high))
    if METHODS[method].mixes:
        assert values["curriculum.start"] == pytest.approx(flat["curriculum.start"])
        assert values["curriculum.end"] == pytest.approx(flat["curriculum.end"])
        assert values["mix_weight"] == pytest.approx(flat["mix_weight"])


@pytest.mark.parametrize("method", METHODS)
def test_settings_of_the_mixed_pass_belong_to_methods_that_mix(method):
    searched = space.for_run(RUN, "1d")
    values = searched.suggest(optuna.create_study().ask(), method)
    mixing = {name for name in values if name.startswith(("curriculum", "gate", "mix", "optimizer.lr.gate"))}
    assert bool(mixing) == METHODS[method].mixes


@pytest.mark.parametrize("method", METHODS)
def test_settings_of_the_alignment_belong_to_methods_that_align(method):
    searched = space.for_run(RUN, "2d")
    values = searched.suggest(optuna.create_study().ask(), method)
    assert {name for name in values if name.startswith("alignment")} == (
        {"alignment.steps", "alignment.lr"} if METHODS[method].aligns else set()
    )


def test_conditional_settings_appear_only_where_they_mean_something():
    searched = space.for_run(RUN, "2d")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    seen = set()
    for _ in range(60):
        trial = study.ask()
        searched.suggest(trial, "pare")
        family = trial.params["curriculum.family"]
        seen.add(family)
        assert ("curriculum.plateaus" in trial.params) == (family == "step")
        assert ("curriculum.ends" in trial.params) == (family != "constant")
        assert ("curriculum.end_share" in trial.params) == (trial.params.get("curriculum.ends") == "share")
        gated = trial.params["gate.select"] == "gate"
        assert all(
            (name in trial.params) == gated for name in ("gate.threshold", "gate.noise_until", "optimizer.lr.gate")
        )
        assert ("gate.noise" in trial.params) == (trial.params.get("gate.noise_until", 0) > 0)
    assert seen == {"linear", "cosine", "exponential", "step", "constant"}


@pytest.mark.parametrize("end", [0.2, 0.0])
def test_search_values_and_run_values_are_inverse(end):
    run = RUN.replace({"curriculum.start": 0.5, "curriculum.end": end})
    assert space.to_run(space.from_run(run)) == pytest.approx(run.flat())


@pytest.mark.parametrize("modality", ["1d", "2d"])
def test_a_mixed_pass_that_ends_early_and_one_that_never_falls_are_both_drawn(modality):
    searched = space.for_run(RUN, modality)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    runs = [RUN.replace(searched.suggest(study.ask(), "pare")) for _ in range(300)]
    early = [run for run in runs if run.curriculum.end == 0 and run.curriculum.until <= 0.35]
    constant = [run for run in runs if run.curriculum.family == "constant" and run.curriculum.end > 0]
    heavy = [run for run in runs if run.mix_weight > 1]
    assert all(len(found) >= 15 for found in (early, constant, heavy)), "one in twenty at least"
    assert max(run.mix_weight for run in runs) <= 3
