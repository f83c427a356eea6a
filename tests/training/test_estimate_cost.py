"""A rehearsal measures the loop itself, on an excerpt."""

import pytest

from pare import tasks
from pare.data import store
from pare.training import estimate_cost
from pare.training.estimate_cost import _Excerpt


@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_an_epoch_is_extrapolated_from_an_excerpt(make_run, root, task, monkeypatch):
    run = make_run(task)
    cost = estimate_cost.estimate_cost(run, root)
    assert cost.training > 0
    assert cost.epoch == cost.training + cost.validation
    monkeypatch.setattr(estimate_cost, "_BATCHES", 1)
    assert estimate_cost.estimate_cost(run, root).training > 0


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
