"""The cost of an epoch: measured by the loop itself on an excerpt, and extrapolated to the whole."""

import pytest

from pare import tasks
from pare.data import store
from pare.training import estimate_cost, loop
from pare.training.estimate_cost import _Excerpt


def test_the_second_epoch_of_an_excerpt_is_extrapolated_to_the_whole(make_run, root, monkeypatch):
    run = make_run("ecg")
    data = store.load(root, run.data)

    def fit(short, task, source, excerpt, source_data, folder, report):
        assert short.epochs == 2
        assert len(excerpt.split("train")) == 2 * run.optimizer.batch
        report({"samples_per_second": 1.0, "samples": 200, "seconds": 30.0})
        report({"samples_per_second": 20.0, "samples": 400, "seconds": 45.0})

    monkeypatch.setattr(estimate_cost, "_BATCHES", 2)
    monkeypatch.setattr(estimate_cost, "_VALIDATED", 4)
    monkeypatch.setattr(estimate_cost, "fit", fit)
    cost = estimate_cost.estimate_cost(run, tasks.get(run.task), tasks.get(run.source), root)
    assert cost.training == pytest.approx(len(data.split("train")) / 20)
    assert cost.validation == pytest.approx((15 - 200 / 20) * len(data.split("val")) / 4)
    assert cost.epoch == cost.training + cost.validation


@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_the_loop_itself_is_measured(make_run, root, task, monkeypatch):
    reports = []

    def fit(*arguments):
        *given, report = arguments
        return loop.fit(*given, lambda figures: reports.append(figures) or report(figures))

    monkeypatch.setattr(estimate_cost, "fit", fit)
    run = make_run(task)
    cost = estimate_cost.estimate_cost(run, tasks.get(run.task), tasks.get(run.source), root)
    assert [figures["epoch"] for figures in reports] == [1, 2]
    units = len(store.load(root, run.data).split("train"))
    assert cost.training == pytest.approx(units / reports[1]["samples_per_second"])
    assert cost.validation > 0


def test_an_excerpt_is_small_and_looks_at_the_whole_of_validation(make_run, root, monkeypatch):
    monkeypatch.setattr(estimate_cost, "_VALIDATED", 5)
    run = make_run("ecg")
    data = store.load(root, run.data)
    excerpt = _Excerpt(data, tasks.get("ecg"), 7)
    assert len(excerpt.split("train")) == 7
    looked, whole = excerpt.split("val"), data.split("val")
    assert len(looked) == 5
    assert (looked.x[0] == whole.x[0]).all()
    assert (looked.x[-1] == whole.x[-1]).all()
    assert excerpt.statistics is data.statistics


def test_whole_groups_are_taken_where_an_epoch_draws_groups(make_run, root, monkeypatch):
    run, task = make_run("ecg"), tasks.get("ecg")
    monkeypatch.setattr(type(task), "drawn_by_group", True)
    excerpt = _Excerpt(store.load(root, run.data), task, 3).split("train")
    assert len(set(excerpt.group.tolist())) == 3
