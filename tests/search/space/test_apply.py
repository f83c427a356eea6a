"""A task's space with the user's changes."""

import io
import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from rich.console import Console

from pare import tasks
from pare.errors import RequestError
from pare.search.request import METHODS, Preset, Request
from pare.search.space import base, changes, table
from pare.search.space.apply import apply, changes_of, shapes
from pare.search.study import space
from pare.search.study.space import Dimension, Space

ECG = tasks.get("ecg")
BASE = base.base_of(ECG, base.settings_of(ECG, "laptop", Request()), Request())
SPACE = space.for_run(BASE, ECG.modality)


def changed(fixed=(), searched=(), methods=METHODS):
    """Return base and space with changes in the form of options."""
    return apply(changes.parse(fixed, searched), BASE, SPACE, methods)


def domain(of, name):
    """Return the distribution of a setting, None if it is not searched."""
    return next((each.values for each in of.dimensions if each.name == name), None)


def draws(run, of, method="pare", count=60):
    """Return runs and values of a random search."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(count):
        trial = study.ask()
        yield run.replace({**of.suggest(trial, method), "method": method}), trial.params


def test_without_changes_the_space_is_the_published_one():
    assert changed() == (BASE, SPACE)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("optimizer.lr.body=1e-6:1e-2", FloatDistribution(1e-6, 1e-2, log=True)),
        ("optimizer.lr.body=1e-6:1e-2:linear", FloatDistribution(1e-6, 1e-2)),
        ("curriculum.until=0.5:1", FloatDistribution(0.5, 1.0)),
        ("tuning.lora_rank=2:32:log", IntDistribution(2, 32, log=True)),
        ("tuning.drop_path=0:0.3", FloatDistribution(0.0, 0.3)),
        ("optimizer.batch=8,16", CategoricalDistribution((8, 16))),
        ("epochs=2:5", IntDistribution(2, 5)),
    ],
)
def test_a_search_widens_narrows_or_adds_a_dimension(text, values):
    name = text.partition("=")[0]
    run, searched = changed(searched=(text,))
    assert domain(searched, name) == values
    assert {d.name for d in searched.dimensions} == {d.name for d in SPACE.dimensions} | {name}
    seen = {one.flat()[name] for one, _ in draws(run, searched)}
    assert len(seen) > 1
    assert all(values._contains(values.to_internal_repr(value)) for value in seen - {BASE.flat()[name]})
    study = optuna.create_study()
    study.enqueue_trial(searched.published(run, "pare"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Optuna warns of values outside their range
        run.replace(searched.suggest(study.ask(), "pare"))


def test_the_longest_trial_has_the_most_epochs_searched():
    assert changed(searched=("epochs=2:5",))[0].epochs == 5
    assert changed(searched=("epochs=2,7",))[0].epochs == 7


def test_a_fixed_setting_leaves_the_space_with_what_depends_on_it():
    run, searched = changed(("gate.select=random", "optimizer.batch=16"))
    assert (run.gate.select, run.optimizer.batch) == ("random", 16)
    gone = {d.name for d in SPACE.dimensions} - {d.name for d in searched.dimensions}
    assert gone == {"gate.select", "gate.threshold", "gate.temperature", "gate.noise_until", "gate.noise"} | {
        "optimizer.lr.gate"
    }
    run, searched = changed(("gate.select=gate",))
    assert {d.name for d in SPACE.dimensions} - {d.name for d in searched.dimensions} == {"gate.select"}
    assert all("gate.threshold" in params for _, params in draws(run, searched))


def test_a_dependent_setting_depends_on_what_the_fixed_one_did():
    run, searched = changed(("curriculum.family=step", "gate.noise_until=0.5"))
    for one, params in draws(run, searched):
        assert "curriculum.plateaus" in params
        assert ("gate.noise" in params) == (one.gate.select == "gate")


def test_choices_that_become_an_interval_no_longer_decide():
    run, searched = changed(searched=("gate.noise_until=0:0.5",))
    assert all(("gate.noise" in params) == (one.gate.select == "gate") for one, params in draws(run, searched))


@pytest.mark.parametrize(
    ("fixed", "searched"),
    [
        (("curriculum.end=0.3",), ()),
        (("curriculum.start=0.1",), ()),
        (("curriculum.start=0.4", "curriculum.end=0.4"), ()),
        ((), ("curriculum.end=0:0.2",)),
        ((), ("curriculum.end=0.1,0.2",)),
        (("curriculum.start=0.5",), ("curriculum.end=0:0.5",)),
        (("curriculum.family=constant", "curriculum.start=0.1"), ()),
        ((), ("curriculum.start=0.1:0.3", "curriculum.end_share=0.5:1")),
    ],
)
def test_a_curriculum_never_rises(fixed, searched):
    run, made = changed(fixed, searched)
    for one, _ in draws(run, made):
        assert one.curriculum.end <= one.curriculum.start
        for text in fixed:
            name, _, value = text.partition("=")
            assert str(one.flat()[name]) == value


@pytest.mark.parametrize("method", ["nft", "orca", "cutmix"])
def test_a_method_is_not_asked_for_what_it_lacks(method):
    searched = (
        "gate.hidden=0,8",
        "curriculum.counts=target,source",
        "source_head.steps=0,100",
        "alignment.batch=32,64",
    )
    run, made = changed(searched=searched, methods=("pare", "orca", method))
    names = {name for _, params in draws(run, made, method) for name in params}
    own = {"nft": set(), "orca": {"alignment.batch"}, "cutmix": {"curriculum.counts"}}[method]
    assert names & {text.partition("=")[0] for text in searched} == own


@pytest.mark.parametrize(
    ("fixed", "searched", "said"),
    [
        (("gate.select=random",), ("gate.threshold=0:0.3",), "--search gate.threshold: it has no effect beside"),
        ((), ("optimizer.momentum=0.5:0.9",), "has no effect where optimizer.name is adamw; set that too"),
        ((), ("alignment.steps=10,20",), "--search alignment.steps: none of pare, nft, cutmix has it"),
        ((), ("optimizer.decay_until=0.1:1",), "the space has runs that cannot be: optimizer.decay_until is 0.1"),
        (("curriculum.end=0.95",), (), "curriculum.end is up to 0.95, above curriculum.start"),
        ((), ("curriculum.end=0:0.1", "curriculum.end_share=0:0.1"), "curriculum.end is given too"),
    ],
)
def test_a_space_that_cannot_be_is_told_in_one_line(fixed, searched, said):
    with pytest.raises(RequestError) as error:
        changed(fixed, searched)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("fixed", "searched"),
    [
        ((), ()),
        (("optimizer.batch=16",), ("tuning.drop_path=0:0.3", "curriculum.family=linear,step", "epochs=2:5")),
        (("gate.select=random", "curriculum.start=0.5"), ("optimizer.lr.body=1e-5:1e-3",)),
        (("optimizer.name=sgd",), ("optimizer.momentum=0.5:0.9", "curriculum.end=0:0.1")),
    ],
)
def test_a_record_makes_the_same_space_again(fixed, searched, tmp_path):
    run, made = changed(fixed, searched)
    path = tmp_path / "space.toml"
    path.write_text(changes.dump(changes_of(made), "The space."), encoding="utf-8")
    again, same = apply(changes.load(path), BASE, SPACE, METHODS)
    assert again == run
    assert {d.name: d for d in same.dimensions} == {d.name: d for d in made.dimensions}
    assert same.fixed == made.fixed


def test_models_of_every_shape_are_built_before_a_sweep():
    assert shapes(*changed()) == [BASE]
    run, made = changed(searched=("num_hidden_layers=1:3", "patch=20,40", "optimizer.batch=8,16"))
    found = [(one.num_hidden_layers, one.patch) for one in shapes(run, made)]
    assert found == [(0, BASE.patch), (1, BASE.patch), (3, BASE.patch), (0, 20), (0, 40)]


@pytest.mark.parametrize("options", [(), ("optimizer.batch=16", "gate.select=saliency")])
@pytest.mark.parametrize("name", ["ecg", "darcy", "psicov"])
def test_a_table_fits_80_columns(name, options):
    request = Request(tasks=(name,), preset="laptop", set=options, search=("tuning.drop_path=0:0.3",))
    console = Console(file=io.StringIO(), width=80)
    base.show(request, {"laptop": Preset((name,), 3, 1)}, console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    table_, others = "\n".join(lines).split("not searched: ")
    rows = {line.split()[0]: line.split() for line in table_.splitlines() if line}
    assert rows["tuning.drop_path"][1:] == ["0:0.3", "0"]
    assert rows["mix_weight"][3:] == ["pare,", "cutmix"]
    assert "alignment.steps" not in rows, "no method of the sweep has it"
    assert (rows.get("optimizer.batch", [])[1:] == ["16", "(fixed)"]) == bool(options)
    assert ("gate.threshold" in rows) == (not options)
    assert "optimizer.momentum 0.9" in " ".join(others.split())


def test_a_page_passes_a_space_of_its_own():
    def narrow(run, modality):
        assert modality == "1d"
        return Space([Dimension("optimizer.lr.body", FloatDistribution(run.optimizer.lr.body / 2, 1e-2, log=True))])

    preset = Preset(("ecg",), 3, 1, space=narrow)
    run, made = base.with_changes(ECG, BASE, Request(), preset)
    assert [d.name for d in made.dimensions] == ["optimizer.lr.body"]
    assert all(one.curriculum == BASE.curriculum for one, _ in draws(run, made, count=5))
    _, more = base.with_changes(ECG, BASE, Request(search=("optimizer.batch=8,16",)), preset)
    assert [d.name for d in more.dimensions] == ["optimizer.lr.body", "optimizer.batch"]
    assert isinstance(table.render("ecg", run, made, METHODS).renderables, list)


def test_without_a_warm_start_nothing_is_taught():
    for warm_start in (True, False):
        _, made = base.with_changes(ECG, BASE, Request(warm_start=warm_start), Preset(("ecg",), 3, 1))
        assert (made.promising("pare", np.random.default_rng(0)) is not None) == warm_start
