"""The alignment stage on the small official files."""

import numpy as np
import pytest
import torch

from pare import tasks
from pare.config import Alignment
from pare.data import store
from pare.method import methods
from pare.training.align import CLASSES, align, pooled, pseudo_classes
from pare.training.loop import train
from pare.training.prefetch import TrainSet

TASKS = ("ecg", "darcy")
SETTINGS = Alignment(steps=20, batch=16, samples=60, refresh=8)


@pytest.fixture
def aligned(make_run, root):
    """Aligns the model of a run: (figures, weights before, weights after)."""

    def run_it(name, seed=0):
        run = make_run(name, method="orca")
        task, source = tasks.get(run.task), tasks.get(run.source)
        data, source_data = store.load(root, run.data), store.load(root, run.source_data)
        torch.manual_seed(0)
        model = methods.build(run, task, task.criterion, data.statistics, source, source_data.statistics).model
        before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        # The global random state must not matter: workers and resumed runs have others.
        torch.manual_seed(torch.seed())
        sides = TrainSet(task, data.split("train")), TrainSet(source, source_data.split("train"))
        figures = align(model, *sides, source_data.statistics, SETTINGS, seed, torch.device("cpu"))
        return figures, before, model.state_dict()

    return run_it


@pytest.mark.parametrize("task", TASKS)
def test_lowers_the_distance_by_moving_the_embedder_alone(task, aligned):
    figures, before, after = aligned(task)
    assert 0 < figures["otdd_after"] < 0.9 * figures["otdd_before"]
    for name, tensor in after.items():
        if not name.startswith("embedder."):
            assert torch.equal(tensor, before[name]), name
    assert not torch.equal(after["embedder.projection.weight"], before["embedder.projection.weight"])


@pytest.mark.parametrize("task", TASKS)
def test_depends_on_the_seed_and_on_nothing_else(task, aligned):
    (figures, _, once), (again, _, twice), (_, _, other) = aligned(task), aligned(task), aligned(task, seed=1)
    assert figures == again
    assert all(torch.equal(a, b) for a, b in zip(once.values(), twice.values(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(once.values(), other.values(), strict=True))


def test_only_the_first_epoch_of_a_run_reports_it(make_run, root, tmp_path):
    reports = []
    run = make_run("ecg", method="orca", **{"alignment.steps": 3, "alignment.samples": 40})
    train(run, root, tmp_path, lambda figures: reports.append(dict(figures)) or True)
    assert ["otdd_before" in report for report in reports] == [True, False]


@pytest.mark.parametrize(
    ("shape", "numbers"), [((85, 85), 256), ((16, 128), 256), ((1000,), 256), ((40,), 40), ((17, 5), 80)]
)
def test_targets_are_pooled_to_256_numbers_at_most(shape, numbers):
    y = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    small = pooled(y, "dense")
    assert small.shape == (3, numbers)
    assert np.allclose(small.mean(1), y.reshape(3, -1).mean(1), atol=0.1)


def test_classes_are_not_pooled():
    y = np.array([3, 1, 2])
    assert pooled(y, "classification") is y


@pytest.mark.parametrize("size", [300, 10_500])
def test_pseudo_classes_find_the_groups_of_dense_targets(size):
    rng = np.random.default_rng(0)
    group = rng.integers(CLASSES, size=size)
    y = (np.eye(CLASSES, 12)[group] * 10 + 0.1 * rng.normal(size=(size, 12))).astype(np.float32)
    found = pseudo_classes(y, seed=0)
    assert np.array_equal(found, pseudo_classes(y, seed=0))
    assert 1 < len(np.unique(found)) <= CLASSES
    assert all(len(np.unique(found[group == g])) == 1 for g in range(CLASSES))


def test_fewer_targets_than_pseudo_classes():
    assert len(pseudo_classes(np.arange(12, dtype=np.float32).reshape(4, 3), seed=0)) == 4


def test_of_targets_with_an_ignore_map_only_the_mask_counts():
    y = np.random.default_rng(0).random((5, 2, 40, 40)).astype(np.float32)
    assert np.array_equal(pooled(y, "dense"), pooled(y[:, 0], "dense"))
