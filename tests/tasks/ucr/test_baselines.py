"""Baselines of the archive: 1-NN as published on five real sets, and MiniRocket's features against their definition."""

import os
from pathlib import Path

import numpy as np
import pytest

from pare import tasks
from pare.data import baselines, labels, store
from pare.data.labels import LabelBudget
from pare.tasks.ucr import baselines as series
from pare.tasks.ucr import files, minirocket
from pare.tasks.ucr.baselines import MINIROCKET, NEAREST, OFFICIAL, fitted
from pare.tasks.ucr.sets import named
from tests.conftest import quietly
from tests.tasks.ucr import layout

REAL = Path(os.environ.get("PARE_REAL", "/nowhere"))
"""Folder with real sets in ucr/, in the archive's own layout."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("ucr")
    layout.write(root / "ucr-ecg200" / "raw")
    return store.prepare(tasks.get("ucr-ecg200"), root, "laptop", quietly)


def test_all_stand_beside_a_result(data):
    scores = {each.name: each for each in baselines.scores(tasks.get("ucr-ecg200"), data)}
    assert [*scores] == [baselines.CONSTANT, NEAREST, MINIROCKET, OFFICIAL]
    assert scores[MINIROCKET].test < 10 < scores[baselines.CONSTANT].test
    assert scores[OFFICIAL].validation is None, "which it has learnt by heart"


def test_with_few_labels_none_sees_others(data):
    few = labels.prepare(tasks.get("ucr-ecg200"), data, LabelBudget(4, 0))
    scores = baselines.scores(tasks.get("ucr-ecg200"), few)
    assert [each.name for each in scores] == [baselines.CONSTANT, NEAREST, MINIROCKET]
    train = few.split("train")
    nearest = next(fitted(train, None, 96))
    assert np.array_equal(nearest.predict(np.array(train.x)).argmax(1), train.y)


def test_features_are_shares_above_a_bias():
    x = np.random.default_rng(0).standard_normal((5, 50)).astype(np.float32)
    kernels = minirocket.fit(x)
    found = minirocket.transform(x, kernels)
    assert found.shape == (5, 84 * 119)
    for place, number in ((0, 0), (0, 1), (2, 7), (3, 80)):
        dilation, biases = kernels.dilations[place], kernels.biases[place][number]
        weights = np.zeros(8 * dilation + 1)
        weights[::dilation] = -1
        weights[np.array(minirocket._KERNELS[number]) * dilation] = 2
        first = sum(each.size for each in kernels.biases[:place]) + number * len(biases)
        for row, features in zip(x, found[:, first : first + len(biases)], strict=True):
            convolved = np.correlate(row, weights, "valid" if (place + number) % 2 else "same")
            np.testing.assert_allclose((convolved[:, None] > biases).mean(0), features, atol=0.021)


def test_features_do_not_depend_on_the_block(monkeypatch):
    x = np.random.default_rng(0).standard_normal((7, 30)).astype(np.float32)
    kernels = minirocket.fit(x)
    whole = minirocket.transform(x, kernels)
    monkeypatch.setattr(minirocket, "_BLOCK", 60)
    assert np.array_equal(minirocket.transform(x, kernels), whole)


@pytest.mark.skipif(not (REAL / "ucr").is_dir(), reason="PARE_REAL names no folder with ucr/ in it")
@pytest.mark.parametrize("title", ["ECG5000", "Crop", "ECG200", "FordB", "ElectricDevices"])
def test_the_nearest_neighbour_is_the_published_one(title, tmp_path):
    of = named(title)
    (tmp_path / "ucr").symlink_to(REAL / "ucr")
    assert files.bring(tmp_path, of)
    task = tasks.get(of.name)
    data = store.prepare(task, tmp_path, "laptop", quietly)
    (official,) = [each for each in _nearest(task, data) if each.name == OFFICIAL]
    test = data.split("test")
    error = task.score(task.metric, official.predict(np.array(test.x)), test)
    assert error == pytest.approx(of.error, abs=0.0051)
    assert data.counts["train"] + data.counts["val"] == of.train


def _nearest(task, data):
    """The task's baselines without MiniRocket, which takes minutes on the larger sets."""
    train, val = data.split("train"), data.split("val")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series, "_MOST", 0)
        return list(task.baselines(train, val))


@pytest.mark.skipif(not (REAL / "ucr").is_dir(), reason="PARE_REAL names no folder with ucr/ in it")
@pytest.mark.parametrize(("title", "authors"), [("ECG200", 0.91), ("Coffee", 1.0), ("ArrowHead", 0.862857)])
def test_minirocket_is_as_good_as_its_authors(title, authors, tmp_path):
    of = named(title)
    (tmp_path / "ucr").symlink_to(REAL / "ucr")
    files.bring(tmp_path, of)
    data = store.prepare(tasks.get(of.name), tmp_path, "laptop", quietly)
    train, val, test = (data.split(name) for name in ("train", "val", "test"))
    x = np.concatenate([train.x, val.x])[:, 0, : of.length]
    scores = series._minirocket(x, np.concatenate([train.y, val.y]), of.classes)(test.x[:, 0, : of.length])
    assert (scores.argmax(1) == test.y).mean() == pytest.approx(authors, abs=0.03)
