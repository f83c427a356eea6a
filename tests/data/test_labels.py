"""The budget of training labels: what it buys, what it refuses, and that nothing but the training rows changes."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pare.config import Run
from pare.data import labels, store
from pare.data.labels import LabelBudget
from pare.data.provider import DataProvider
from pare.data.task import Split
from pare.errors import RequestError
from tests.conftest import quietly
from tests.tasks.toys import DenseToy, TagToy, Toy

RARE = np.repeat([0, 1, 2], [900, 95, 5])


def split(y, group=None):
    y = np.asarray(y)
    return Split(np.zeros((len(y), 1, 4), np.float32), y, np.arange(len(y)) if group is None else np.asarray(group))


def drawn(task, train, count, seed=0):
    return labels.draw(task, train, LabelBudget(count, seed))


@pytest.mark.parametrize("count", [3, 10, 100, 999, 1000])
def test_classes_keep_their_shares_and_one_each(count):
    y = np.random.default_rng(1).permutation(RARE)
    found = np.bincount(y[drawn(Toy(), split(y), count)], minlength=3)
    assert found.sum() == count
    assert found.min() >= 1
    assert np.abs(found - count * np.array([0.9, 0.095, 0.005])).max() <= 2


def test_a_larger_budget_holds_a_smaller_one():
    y = np.random.default_rng(1).permutation(RARE)
    budgets = [set(drawn(Toy(), split(y), count)) for count in (3, 4, 25, 50, 100)]
    assert all(small < large for small, large in pairwise(budgets))


def test_the_seed_draws():
    one, same, other = (drawn(Toy(), split(RARE), 50, seed) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_every_tag_occurs():
    y = np.zeros((200, 3), np.float32)
    y[:150, 0] = y[150:, 1] = y[-2:, 2] = 1
    assert (y[drawn(TagToy(), split(y), 5)].sum(axis=0) >= 1).all()
    with pytest.raises(RequestError, match="give 2 to 200, one of each class or more"):
        drawn(TagToy(), split(y), 1)


def test_fields_are_drawn_at_random():
    train = split(np.zeros((50, 2, 5), np.float32))
    assert len(drawn(DenseToy(), train, 1)) == 1
    rows = drawn(DenseToy(), train, 20)
    assert len(rows) == len(set(rows)) == 20


@pytest.mark.parametrize(("count", "remedy"), [(1001, "give 3 to 1000"), (2, "give 3 to 1000, one of each class or")])
def test_what_cannot_be_bought_is_told_in_a_line(count, remedy):
    with pytest.raises(RequestError, match=rf"--labels is {count}: toy has 1,000 training samples; {remedy}"):
        drawn(Toy(), split(RARE), count)


def test_the_label_of_a_record_is_one():
    group = np.repeat(np.arange(30), 4)
    train = split(group % 3, group)
    rows = drawn(Toy(), train, 6)
    assert len(rows) == 24
    assert len(set(group[rows])) == 6
    with pytest.raises(RequestError, match="30 training groups, of 120 samples, with a label each; give 3 to 30"):
        drawn(Toy(), train, 31)


def test_samples_of_a_record_that_differ_have_labels_of_their_own():
    group = np.repeat(np.arange(30), 4)
    assert len(drawn(Toy(), split(np.arange(120) % 3, group), 6)) == 6


class Measured(Toy):
    def statistics_of(self, train):
        return {"input_mean": np.asarray(train.x).mean(0)}


@pytest.fixture
def whole(tmp_path):
    return store.prepare(Measured(), tmp_path, "laptop", quietly)


def test_only_training_rows_and_their_statistics_change(whole):
    few = labels.prepare(Measured(), whole, LabelBudget(4, 7))
    few.verify()
    assert few.counts == {**whole.counts, "train": 4}
    assert sum(few.classes["train"]) == 4
    rows = drawn(Measured(), whole.split("train"), 4, 7)
    assert np.array_equal(few.split("train").x, whole.split("train").x[rows])
    assert np.array_equal(few.statistics["input_mean"], few.split("train").x.mean(0))
    for name in ("val", "test"):
        assert (few.root / few.key / f"{name}.arrow").samefile(whole.root / whole.key / f"{name}.arrow")
    kept = labels.prepare(Toy(), whole, LabelBudget(3, 7)).statistics
    assert np.array_equal(kept["input_mean"], whole.statistics["input_mean"]), "which has no statistics of its own"


def test_a_key_names_its_budget():
    budget = LabelBudget(25, 3)
    assert labels.parse(budget.key("ecg/prepared-0a1b")) == ("ecg/prepared-0a1b", budget)
    assert labels.parse("ecg/prepared-0a1b") == ("ecg/prepared-0a1b", None)


@pytest.mark.parametrize("place", ["directory", "bucket"])
def test_another_machine_draws_the_same(place, monkeypatch, tmp_path, request):
    toy = Toy()
    monkeypatch.setenv("PARE_DATA", str(tmp_path / "head"))
    data_root = request.getfixturevalue("store_url") + "/data" if place == "bucket" else str(tmp_path / "head")
    head = DataProvider.of(data_root, "laptop")
    few = labels.prepare(toy, head.prepare(toy, quietly), LabelBudget(4, 0))
    monkeypatch.setenv("PARE_DATA", str(tmp_path / "worker"))
    worker = head if place == "bucket" else replace(head, data_root=str(tmp_path / "worker"))
    assert worker.makes(toy, few.key)
    run = Run(task="toy", data=few.key, body="roberta-mini", source="toy", source_data=few.key)
    there = worker.ready(run, toy, toy)
    assert there == tmp_path / "worker"
    assert np.array_equal(store.load(there, few.key).split("train").x, few.split("train").x)
