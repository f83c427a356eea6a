"""The study is told the truth, and it is all that a sweep needs to go on."""

import contextlib
import sqlite3

import optuna
import pytest
import sqlalchemy
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from pare.config import Run
from pare.errors import RequestError
from pare.search.study import space
from pare.search.study.halving import rungs
from pare.search.study.space import Dimension, Space
from pare.search.study.storage import Database, read_trials
from pare.search.study.study import Study

RUN = Run(
    task="ecg", data="d", body="roberta-mini", source="signals", source_data="s", epochs=9, patch=20, mix_weight=0.1
)


@pytest.fixture
def make(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"

    def study(trials=6, methods=("pare",), seed=0, name="ecg", base=RUN, searched=None, **options):
        searched = searched or space.for_run(base, "1d")
        return Study(name, url, "minimize", base, searched, methods, trials, seed, **options)

    study.frozen = lambda: optuna.load_study(study_name="ecg", storage=url).trials
    return study


def run_out(study, value=lambda _, epoch: 1 / epoch):
    """Runs every trial to its end or to where it is pruned."""
    asked = []
    while (trial := study.ask()) is not None:
        asked.append(trial)
        for epoch in range(1, trial.run.epochs + 1):
            if not study.report(trial.number, epoch, value(trial, epoch)) and epoch < trial.run.epochs:
                study.prune(trial.number)
                break
        else:
            study.complete(trial.number, value(trial, epoch))
    return asked


def test_first_trial_is_the_published_configuration_and_second_is_nft(make):
    asked = run_out(make())
    assert [a.method for a in asked] == ["pare", "nft", "pare", "pare", "pare", "pare"]
    first, second = asked[0].run, asked[1].run
    assert first.curriculum == RUN.curriculum
    assert first.mix_weight == pytest.approx(RUN.mix_weight)
    assert first.optimizer.lr.body == pytest.approx(RUN.optimizer.lr.body) == pytest.approx(second.optimizer.lr.body)
    assert len({a.run for a in asked}) == 6


def test_every_state_reaches_the_study(make):
    study = make(trials=3)
    one, two, three = study.ask(), study.ask(), study.ask()
    assert study.ask() is None
    study.report(one.number, 1, 0.5)
    study.complete(one.number, 0.5)
    study.report(two.number, 1, 0.7)
    study.prune(two.number)
    study.fail(three.number, "the loss became nan in epoch 1")
    frozen = make.frozen()
    assert [t.state for t in frozen] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    assert frozen[1].intermediate_values == {1: 0.7}
    assert frozen[2].user_attrs["why"] == "the loss became nan in epoch 1"
    assert study.over
    assert study.best("nft").number == two.number


def test_asha_cuts_the_worse_two_thirds_of_a_method(make):
    study = make(trials=12)
    run_out(study, value=lambda asked, epoch: 0.1 * asked.number + 1 / epoch)
    states = [t.state for t in make.frozen()]
    assert states[0] == TrialState.COMPLETE
    assert states.count(TrialState.PRUNED) >= 6
    assert states[1] == TrialState.COMPLETE, "the only nft trial is not measured against pare"


def test_what_was_running_is_taken_up_under_its_own_number(make):
    study = make(trials=4)
    first, second = study.ask(), study.ask()
    study.report(first.number, 1, 0.5)
    study.report(second.number, 1, 0.6)
    study.complete(second.number, 0.6)
    again = make(trials=4)  # the driver died; `first` is still RUNNING
    asked = again.ask()
    assert asked.number == first.number
    assert asked.run == first.run
    assert dict(asked.searched) == dict(first.searched)
    again.report(asked.number, 1, 0.5)  # repeated from its checkpoint, without a warning or a second value
    assert again.ask().number == 2


def test_a_resumed_study_proposes_what_an_undisturbed_one_would(tmp_path):
    def sweep(folder, sessions):
        folder.mkdir()
        asked = []
        for trials in sessions:
            url = f"sqlite:///{folder}/s.db"
            study = Study("ecg", url, "minimize", RUN, space.for_run(RUN, "1d"), ("pare",), trials, 7)
            asked += run_out(study, value=lambda a, epoch: a.run.optimizer.lr.body + 1 / epoch)
        return [a.run for a in asked]

    assert sweep(tmp_path / "a", [9]) == sweep(tmp_path / "b", [3, 5, 9])


def test_more_trials_extend(make):
    run_out(make(trials=3))
    study = make(trials=5)
    assert study.left == 2
    assert [a.number for a in run_out(study)] == [3, 4]
    assert make(trials=2).over


def test_more_epochs_extend_and_what_was_begun_keeps_its_own(make):
    study = make(trials=2)
    first = study.ask()
    study.report(first.number, 1, 0.5)
    longer = make(trials=2, base=RUN.replace({"epochs": 20}))
    assert longer.ask().run == first.run
    assert longer.ask().run.epochs == 20


def test_another_method_catches_up(make):
    run_out(make(trials=4))
    study = make(trials=7, methods=("pare", "orca"))
    asked = run_out(study)
    assert [a.method for a in asked] == ["orca", "orca", "orca"]
    assert study.methods == ("pare", "nft", "orca")


def test_other_choices_are_refused(make):
    run_out(make(trials=1))
    other = [
        Dimension(d.name, CategoricalDistribution(("linear", "cosine"))) if d.name == "curriculum.family" else d
        for d in space.for_run(RUN, "1d").dimensions
    ]
    with pytest.raises(RequestError, match=r"its trials chose curriculum.family from other values"):
        make(trials=2, searched=Space(other))


def test_a_wider_interval_is_taken(make):
    run_out(make(trials=2))
    wider = [
        Dimension(d.name, FloatDistribution(0.0, 0.9), d.needs) if d.name == "gate.threshold" else d
        for d in space.for_run(RUN, "1d").dimensions
    ]
    assert len(run_out(make(trials=8, searched=Space(wider)))) == 6


def test_hints_of_other_tasks_come_after_the_published_configuration(make):
    study = make(trials=5)
    hinted = {**study.space.published(RUN, "pare"), "gate.threshold": 0.3, "curriculum.start": 0.11}
    study.hints = lambda method: [(study.space, hinted)] if method == "pare" else []
    asked = run_out(study)
    assert asked[2].searched["gate.threshold"] == pytest.approx(0.3)
    assert asked[2].run.curriculum.start == pytest.approx(0.11)
    assert asked[0].run.curriculum.start == pytest.approx(RUN.curriculum.start)


def test_best_prefers_whole_trials(make):
    study = make(trials=4, methods=("pare",))
    asked = [study.ask() for _ in range(4)]
    for trial, value in zip(asked, (0.4, 0.5, 0.1, 0.3), strict=True):
        study.report(trial.number, 1, value)
    study.complete(asked[0].number, 0.4)
    study.complete(asked[1].number, 0.5)
    study.prune(asked[2].number)
    study.complete(asked[3].number, 0.3)
    assert study.best("pare").number == 3
    assert study.best("nft").number == 1
    assert study.best("scratch") is None


def test_a_verdict_is_not_asked_for_twice(make):
    """A driver may die between the verdict and the trial's end: the epoch is then reported again."""
    study = make(trials=12)
    run_out(study, value=lambda asked, epoch: 0.1 * asked.number + 1 / epoch)
    study = make(trials=13)
    trial = study.ask()
    rung = next(iter(rungs(RUN.epochs)))
    assert study.report(trial.number, rung, 9.0) is False
    again = make(trials=13)
    assert again.ask().number == trial.number
    assert again.report(trial.number, rung, 9.0) is False


@pytest.mark.parametrize("earlier", [0, 3])
def test_a_driver_that_dies_over_a_proposal_makes_it_again(make, monkeypatch, earlier):
    """The first one is the published configuration, the fourth comes from the sampler."""
    undisturbed = run_out(make(trials=4, name="undisturbed"))[earlier]
    run_out(make(trials=earlier))

    def dying(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Database, "add", dying)
        with pytest.raises(KeyboardInterrupt):
            make(trials=4).ask()
    assert len(make.frozen()) == earlier, "what is there is whole"
    assert make(trials=4).ask() == undisturbed


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "random"])
def test_the_database_holds_what_the_sampler_saw(make, sampler):
    study = make(trials=9, sampler=sampler)
    run_out(study, value=lambda asked, epoch: 0.1 * asked.number + 1 / epoch)
    for there, here in zip(make.frozen(), study.ended(), strict=True):
        for name in ("number", "state", "values", "params", "distributions", "intermediate_values", "user_attrs"):
            assert getattr(there, name) == getattr(here, name), name
        assert there.system_attrs == here.system_attrs


def test_a_trial_costs_few_transactions(make):
    """Each is a round trip to a database that may be far, and the slot waits for it."""
    study = make(trials=2)
    seen = []

    @sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "commit")
    def _(_connection):
        seen.append(True)

    try:
        asked = study.ask()
        study.report(asked.number, 1, 0.5)
        assert len(seen) <= 3, "the trial, the value, and the pruner's memory of it"
        study.complete(asked.number, 0.5)
        assert len(seen) <= 4
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "commit", _)


def test_a_file_of_sqlite_writes_ahead_and_is_whole_for_whoever_reads_it(make, tmp_path):
    study = make(trials=2)
    asked = study.ask()
    study.report(asked.number, 1, 0.5)
    assert (tmp_path / "study.db-wal").stat().st_size > 0
    with contextlib.closing(sqlite3.connect(tmp_path / "study.db")) as other:
        assert other.execute("pragma journal_mode").fetchone() == ("wal",)
        assert other.execute("select intermediate_value from trial_intermediate_values").fetchall() == [(0.5,)]


def test_a_study_at_work_can_be_read(make, tmp_path):
    """Whoever reads it asks several times, and a trial may have come in between."""
    study = make(trials=3)
    study.report(study.ask().number, 1, 0.5)

    came = []

    def meanwhile(_connection, _cursor, statement, *_):
        if "trials.number" in statement and not came:
            came.append(study.ask())
            study.report(came[0].number, 1, 0.7)

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "after_cursor_execute", meanwhile)
    try:
        found = read_trials(f"sqlite:///{tmp_path}/study.db", "ecg")
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "after_cursor_execute", meanwhile)
    assert came
    assert [trial.intermediate_values for trial in found] == [{1: 0.5}]
    assert len(read_trials(f"sqlite:///{tmp_path}/study.db", "ecg")) == 2
