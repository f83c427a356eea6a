import numpy as np
import pytest

from pare import tasks
from pare.data import baselines, store
from tests.tasks import tiny, toys


def _quiet(done, total):
    pass


@pytest.fixture(scope="module")
def reaction(tmp_path_factory):
    task, root = tasks.get("pde-diffusion-reaction"), tmp_path_factory.mktemp("trivial")
    (root / task.name / "raw").mkdir(parents=True)
    task.write_synthetic(root / task.name / "raw", tiny.of(task.name).recipe, _quiet)
    return task, store.prepare(task, root, "laptop", _quiet)


def test_scores_are_the_metric_of_both_splits(reaction):
    task, data = reaction
    _, score = baselines.scores(task, data)
    assert score.name == "logistic growth of the mean"
    predict = task.baseline(data.split("train")).predict
    for value, name in ((score.validation, "val"), (score.test, "test")):
        split = data.split(name)
        assert value == pytest.approx(task.metric.compute(predict(np.array(split.x)), split.y))
    assert 0 < score.test < 0.02


def test_most_tasks_have_none(tmp_path):
    task = toys.Toy()
    (only,) = baselines.scores(task, store.prepare(task, tmp_path, "laptop", _quiet))
    assert only.name == baselines.CONSTANT
