"""The order of a sweep's jobs, without Ray: whoever asks runs them."""

import pytest

from pare import tasks
from pare.config import Run
from pare.data import store
from pare.search.budget import UNLIMITED, Amounts, Budget
from pare.search.plans import TaskPlan
from pare.search.study import space
from pare.search.study.study import Study
from pare.search.sweep import Sweep


class Watcher:
    def __init__(self):
        self.begun, self.ended, self.epochs = [], [], []

    def begin(self, record):
        self.begun.append(record.trial)

    def epoch(self, record, figures):
        self.epochs.append((record.trial, figures["epoch"]))

    def end(self, record):
        self.ended.append(record)


@pytest.fixture
def make(make_run, root, tmp_path):
    def sweep(
        names=("ecg", "darcy"),
        trials=3,
        seeds=(1, 2),
        concurrent=2,
        confirmed=(),
        caps=UNLIMITED,
        clock=lambda: 0.0,
        **options,
    ):
        plans = []
        for name in names:
            base, task = make_run(name, epochs=2), tasks.get(name)
            url, searched = f"sqlite:///{tmp_path}/{name}.db", space.for_run(base, task.modality)
            study = Study(name, url, task.metric.direction, base, searched, ("pare",), trials, 0)
            plans.append(TaskPlan(task, store.load(root, base.data), study, seeds, dict(confirmed)))
        watcher = Watcher()
        budget = Budget(tmp_path / "spent.json", caps, clock=clock)
        return Sweep(plans, tmp_path, [watcher], concurrent, 0.5, budget, **options), watcher

    return sweep


def figures(job, epoch, value=0.5):
    return {"epoch": epoch, "objective": value, "seconds": 10.0 * epoch}


def run_out(sweep, failing=()):
    """Runs jobs to the end, as many at a time as the sweep gives; returns their ids in order."""
    given, running = [], []
    while not sweep.finished:
        while (job := sweep.next()) is not None:
            given.append(job)
            running.append(job)
        job = running.pop(0)
        if job.id in failing:
            sweep.end(job.id, "it broke")
            continue
        for epoch in (1, 2):
            if not sweep.report(job.id, figures(job, epoch)):
                break
        if job.purpose == "confirm":
            sweep.report(job.id, {"test_metric": 0.6, "also/false negatives": 40.0})
        sweep.end(job.id)
    return [job.id for job in given]


def test_a_task_comes_after_the_other_then_each_is_confirmed_on_every_seed(make):
    sweep, watcher = make()
    given = run_out(sweep)
    assert given[:4] == ["ecg/pare-0000", "ecg/nft-0001", "ecg/pare-0002", "darcy/pare-0000"]
    assert sorted(g for g in given if "confirm" in g) == sorted(
        f"{task}/confirm-{method}-{seed}" for task in ("ecg", "darcy") for method in ("pare", "nft") for seed in (1, 2)
    )
    assert [g for g in given if "race" in g] == [
        f"{task}/race-pare-{number}-1" for task in ("ecg", "darcy") for number in ("0000", "0002")
    ], "whoever wins the first seed is alone on the next"
    assert len(given) == len(set(given)) == 18
    assert sweep.failures == 0
    assert all(record.state != "running" for record in watcher.ended)


def test_no_confirmation_before_its_task_has_searched(make):
    sweep, watcher = make(names=("ecg",), trials=3, concurrent=2)
    first, second = sweep.next(), sweep.next()
    assert sweep.next() is None, "both slots are taken"
    for job in (first, second):
        sweep.report(job.id, figures(job, 1))
        sweep.report(job.id, figures(job, 2))
    sweep.end(first.id)
    third = sweep.next()
    assert third.purpose == "search"
    sweep.end(second.id)
    assert sweep.next() is None, "the third trial may yet be the best"
    sweep.report(third.id, figures(third, 1))
    sweep.report(third.id, figures(third, 2))
    sweep.end(third.id)
    assert sweep.next().purpose == "race"


def test_records_tell_what_happened(make):
    sweep, watcher = make(names=("ecg",), trials=2, seeds=(1,))
    run_out(sweep, failing={"ecg/nft-0001"})
    pare, nft, *confirmed = watcher.ended
    by_name = {record.trial: record for record in watcher.ended}
    assert by_name["nft-0001"].state == "failed"
    assert by_name["nft-0001"].why == "it broke"
    whole = by_name["pare-0000"]
    assert (whole.state, whole.epochs, whole.objective, whole.seconds) == ("complete", 2, 0.5, 20.0)
    assert whole.gpu_hours == pytest.approx(20 * 0.5 / 3600)
    assert (whole.provenance, whole.body) == ("real", "pretrained")
    assert whole.ended >= whole.started
    assert [r.trial for r in watcher.ended if r.purpose == "confirm"] == ["confirm-pare-1"]
    assert by_name["confirm-pare-1"].test == 0.6
    assert by_name["confirm-pare-1"].also == {"false negatives": 40.0}


def test_a_failed_confirmation_is_a_failure_of_the_sweep(make):
    sweep, _ = make(names=("ecg",), trials=2, seeds=(1,))
    run_out(sweep, failing={"ecg/confirm-pare-1"})
    assert sweep.failures == 1
    assert sweep.finished


def test_only_confirmations_see_the_confirmation_seeds(make):
    sweep, watcher = make(names=("ecg",))
    run_out(sweep)
    assert {r.seed for r in watcher.ended if r.purpose == "search"} == {0}
    assert {r.seed for r in watcher.ended if r.purpose == "confirm"} == {1, 2}


def after_search(watcher):
    """Return the results of the runs after the search, as a later session reads them from the tables."""
    return {(r.purpose, Run.from_flat(r.config)): r.objective for r in watcher.ended if r.purpose != "search"}


def test_what_was_confirmed_is_not_confirmed_again(make):
    sweep, watcher = make(names=("ecg",))
    run_out(sweep)
    done = after_search(watcher)
    left = [("confirm", "nft", 1), ("confirm", "pare", 2)]
    kept = {
        (purpose, run): value for (purpose, run), value in done.items() if (purpose, run.method, run.seed) not in left
    }
    sweep, _ = make(names=("ecg",), confirmed=kept)
    assert run_out(sweep) == ["ecg/confirm-nft-1", "ecg/confirm-pare-2"]


def test_another_choice_is_confirmed_anew(make):
    sweep, watcher = make(names=("ecg",))
    run_out(sweep)
    done = after_search(watcher)
    other = {
        (purpose, run.replace({"mix_weight": 0.123}) if (run.method, run.seed) == ("nft", 1) else run): value
        for (purpose, run), value in done.items()
    }
    sweep, _ = make(names=("ecg",), confirmed=other)
    assert run_out(sweep) == ["ecg/confirm-nft-1"]


def test_the_published_configuration_runs_on_the_same_seeds_where_another_was_chosen(make):
    sweep, watcher = make(names=("ecg",), trials=3)
    better = iter([0.5, 0.6, 0.1])
    while not sweep.finished:
        job = sweep.next()
        value = next(better) if job.purpose == "search" else 0.3
        for epoch in (1, 2):
            sweep.report(job.id, figures(job, epoch, value))
        sweep.end(job.id)
    extra = [r for r in watcher.ended if r.purpose == "published"]
    assert [(r.trial, r.seed) for r in extra] == [("published-pare-1", 1), ("published-pare-2", 2)]
    first, third = watcher.ended[0].config, watcher.ended[2].config
    assert all(dict(r.config) | {"seed": 0} == first != third for r in extra)
    assert watcher.ended[-1] is extra[-1], "they come last"


@pytest.mark.parametrize("warm_start", [True, False])
def test_a_task_begins_with_what_the_finished_one_found(make, warm_start, monkeypatch):
    monkeypatch.setattr(type(tasks.get("darcy")), "modality", "1d")  # hints stay within a modality
    sweep, _ = make(trials=5, concurrent=1, warm_start=warm_start)
    given = {}
    while not sweep.finished:
        job = sweep.next()
        given[job.id] = job.run
        for epoch in (1, 2):
            sweep.report(job.id, figures(job, epoch, 0.2 if job.id == "ecg/pare-0004" else 0.5))
        sweep.end(job.id)
    best, after_published = given["ecg/pare-0004"], given["darcy/pare-0002"]
    assert (after_published.curriculum == best.curriculum) == warm_start


class Clock:
    """An hour passes with every epoch."""

    def __init__(self):
        self.hours = 0.0

    def __call__(self):
        return 3600.0 * self.hours


def run_hourly(sweep, clock):
    given = []
    while not sweep.finished:
        job = sweep.next()
        given.append(job)
        for epoch in (1, 2):
            clock.hours += 1
            if not sweep.report(job.id, {"epoch": epoch, "objective": 0.5, "seconds": 3600.0 * epoch}):
                break
        if job.purpose == "confirm" and not job.cut:
            sweep.report(job.id, {"test_metric": 0.6})
        sweep.end(job.id)
    return given


def test_a_cap_ends_the_search_in_time_for_the_confirmation(make):
    clock = Clock()
    caps = Amounts(hours=12.5, gpu_hours=float("inf"), usd=float("inf"))
    sweep, watcher = make(names=("ecg",), trials=50, seeds=(1, 2), concurrent=1, caps=caps, clock=clock)
    given = run_hourly(sweep, clock)
    confirmed = [job for job in given if job.purpose == "confirm"]
    # Two methods, two seeds, two epochs: eight hours are kept back as soon as both methods' costs are known.
    assert len(confirmed) == 4
    assert all(job.record.state == "complete" for job in confirmed)
    assert clock.hours <= 13
    assert sweep.capped.startswith("--max-hours 12.5")
    assert sweep.failures == 0
    cut = [job for job in given if job.cut]
    assert all(job.record.state == "pruned" and job.record.why == job.cut for job in cut)


def test_a_hard_cap_ends_confirmations_too(make):
    clock = Clock()
    caps = Amounts(hours=float("inf"), gpu_hours=0.9, usd=float("inf"))  # half a GPU a slot
    sweep, watcher = make(names=("ecg",), trials=1, seeds=(1, 2, 3), concurrent=1, caps=caps, clock=clock)
    given = run_hourly(sweep, clock)
    assert clock.hours == 2
    assert [(job.purpose, job.record.state) for job in given] == [("search", "pruned"), ("confirm", "pruned")]
    assert sweep.failures == 0
    assert sweep.capped.startswith("--max-gpu-hours 0.9")


def test_tasks_share_a_budget(make):
    clock = Clock()
    caps = Amounts(hours=24.0, gpu_hours=float("inf"), usd=float("inf"))
    sweep, _ = make(trials=50, seeds=(1,), concurrent=1, caps=caps, clock=clock)
    given = run_hourly(sweep, clock)
    searched = [job.record.task for job in given if job.purpose == "search"]
    assert abs(searched.count("ecg") - searched.count("darcy")) <= 2
    assert clock.hours <= 25


def test_a_spent_budget_leaves_nothing_running(make):
    clock = Clock()
    sweep, _ = make(names=("ecg",), trials=3, concurrent=1, clock=clock)
    job = sweep.next()
    clock.hours += 1
    sweep.report(job.id, {"epoch": 1, "objective": 0.4, "seconds": 3600.0})  # here the driver dies
    sweep._budget.persist()
    spent = Amounts(hours=1.0, gpu_hours=float("inf"), usd=float("inf"))
    again, watcher = make(names=("ecg",), trials=3, concurrent=1, caps=spent, clock=clock)
    assert again.next() is None
    assert again.finished
    (record,) = watcher.ended
    assert (record.trial, record.state, record.epochs, record.objective) == ("pare-0000", "pruned", 1, 0.4)
    assert record.why.startswith("--max-hours 1")


def test_a_finished_sweep_has_nothing_to_do(make):
    sweep, watcher = make(names=("ecg",))
    run_out(sweep)
    sweep, watcher = make(names=("ecg",), confirmed=after_search(watcher))
    assert sweep.finished
    assert sweep.next() is None
    assert watcher.begun == []


def test_search_folders_go_and_confirmation_folders_stay(make):
    sweep, _ = make(names=("ecg",), trials=2, seeds=(1,))
    while not sweep.finished:
        job = sweep.next()
        job.folder.mkdir(parents=True)
        for epoch in (1, 2):
            sweep.report(job.id, figures(job, epoch))
        sweep.end(job.id)
        assert job.folder.exists() == (job.purpose != "search")
