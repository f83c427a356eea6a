"""The order of a sweep's jobs, without Ray: whoever asks runs them."""

import pytest

from pare import tasks
from pare.search import space
from pare.search.budget import UNLIMITED, Budget
from pare.search.study import Study
from pare.search.sweep import Sweep, TaskPlan
from pare.tasks import store


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


def test_tasks_take_turns_then_confirm_on_every_seed(make):
    sweep, watcher = make()
    given = run_out(sweep)
    assert given[:4] == ["ecg/pare-0000", "darcy/pare-0000", "ecg/nft-0001", "darcy/nft-0001"]
    assert sorted(g for g in given if "confirm" in g) == sorted(
        f"{task}/confirm-{method}-{seed}" for task in ("ecg", "darcy") for method in ("pare", "nft") for seed in (1, 2)
    )
    assert len(given) == len(set(given)) == 14
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
    assert sweep.next().purpose == "confirm"


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


def test_what_was_confirmed_is_not_confirmed_again(make):
    run_out(make(names=("ecg",))[0])
    sweep, _ = make(names=("ecg",), confirmed={("pare", 1), ("nft", 2)})
    assert run_out(sweep) == ["ecg/confirm-nft-1", "ecg/confirm-pare-2"]


def test_a_finished_sweep_has_nothing_to_do(make):
    run_out(make(names=("ecg",))[0])
    everything = {(method, seed) for method in ("pare", "nft") for seed in (1, 2)}
    sweep, watcher = make(names=("ecg",), confirmed=everything)
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
        assert job.folder.exists() == (job.purpose == "confirm")
