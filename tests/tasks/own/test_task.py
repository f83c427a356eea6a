"""Files of one's own as tasks: what they are taken for, how they are divided, and what is refused."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from pare import tasks
from pare.config import Run
from pare.data import store
from pare.data.task import SPLITS
from pare.errors import RequestError
from pare.tasks.own import task as own
from pare.tasks.own.importer import bring


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    """`bring` points the environment at its task; no other test may find it there."""
    monkeypatch.setattr(tasks, "_own", [])


def _npz(folder, **arrays):
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def _samples(count=60, shape=(12,), classes=3):
    rng = np.random.default_rng(0)
    return {"x": rng.standard_normal((count, *shape)), "y": np.arange(count) % classes}


def _prepared(task, root):
    return store.prepare(task, root, "laptop", lambda *_: None)


@pytest.mark.parametrize(
    ("shape", "taken"),
    [
        ((12,), (1, 12)),
        ((101,), (1, 102)),  # filled up to whole patches
        ((3, 40), (3, 40)),
        ((8, 8), (1, 8, 8)),
        ((8, 9, 3), (3, 8, 9)),
        ((3, 8, 9), (3, 8, 9)),
    ],
)
def test_shapes_are_told_from_x(tmp_path, shape, taken):
    arrays = _samples(shape=shape)
    task = bring(tmp_path, "own", _npz(tmp_path, **arrays))
    assert task.shape == taken
    assert task.encode(arrays["x"]).shape == (60, *taken)
    assert _prepared(task, tmp_path).split("train").x.shape[1:] == taken


def test_layout_can_be_said(tmp_path):
    assert bring(tmp_path, "own", _npz(tmp_path, **_samples(shape=(8, 8))), layout="sequence").shape == (8, 8)


def test_carved_splits_are_stratified_and_whole(tmp_path):
    task = bring(tmp_path, "own", _npz(tmp_path, **_samples(count=300)))
    data = _prepared(task, tmp_path)
    assert data.classes == {"train": (70, 70, 70), "val": (15, 15, 15), "test": (15, 15, 15)}


def test_equal_samples_and_groups_stay_in_one_split(tmp_path):
    arrays = _samples()
    arrays["x"][::2] = arrays["x"][0]
    for extra in ({}, {"group": np.arange(60) // 4}):
        data = _prepared(bring(tmp_path, "own", _npz(tmp_path, **arrays, **extra)), tmp_path)
        groups = [set(data.split(name).group.tolist()) for name in SPLITS]
        assert len(set.union(*groups)) == sum(map(len, groups))
        assert all((np.diff(data.split(name).group) >= 0).all() for name in SPLITS)


def test_given_splits_are_kept(tmp_path):
    split = np.array(["train"] * 40 + ["val"] * 10 + ["test"] * 10)
    data = _prepared(bring(tmp_path, "own", _npz(tmp_path, **_samples(), split=split)), tmp_path)
    assert data.counts == {"train": 40, "val": 10, "test": 10}


def test_rare_classes_weigh_more(tmp_path):
    arrays = _samples(count=100) | {"y": np.array(["sick"] * 20 + ["well"] * 80)}
    task = bring(tmp_path, "own", _npz(tmp_path, **arrays))
    assert task.labels == ("sick", "well")
    assert task.specification.weights == pytest.approx((70 / (2 * 14), 70 / (2 * 56)))


def test_tables_are_encoded_by_the_training_rows(tmp_path):
    frame = pd.DataFrame({"age": np.arange(60.0), "sex": ["f", "m"] * 30, "outcome": ["a", "b", "c"] * 20})
    frame["split"] = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    frame.loc[59, "sex"] = "x"
    for suffix, write in ((".csv", frame.to_csv), (".parquet", frame.to_parquet)):
        path = tmp_path / f"table{suffix}"
        write(path, index=False)
        task = bring(tmp_path, "own", path)
        assert task.labels == ("a", "b", "c")
        np.testing.assert_array_equal(task.encode(frame[-2:])[:, 0], [[58, 1, 0], [59, 0, 0]])
        statistics = _prepared(task, tmp_path).statistics
        np.testing.assert_allclose(statistics["input_mean"], [[19.5, 0.5, 0.5]])


def test_folders_of_images_and_of_arrays(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (10, 8), (number, 0, len(label))).save(tmp_path / "images" / label / f"{number}.png")
    task = bring(tmp_path, "own", tmp_path / "images")
    assert (task.shape, task.labels) == ((3, 8, 10), ("cat", "dog"))
    (tmp_path / "images" / "bird").mkdir()
    with pytest.raises(RequestError, match="bird holds no image"):
        bring(tmp_path, "own", tmp_path / "images")
    (tmp_path / "arrays").mkdir()
    for name, array in _samples().items():
        np.save(tmp_path / "arrays" / f"{name}.npy", array)
    assert bring(tmp_path, "own", tmp_path / "arrays").kind == "classification"


def test_images_may_lie_in_splits_of_their_own(tmp_path):
    for start, split in ((0, "train"), (5, "val"), (10, "test")):
        for label in ("cat", "dog"):
            folder = tmp_path / "images" / split / label
            folder.mkdir(parents=True)
            for number in range(start, start + 1 + (split == "train") * 3):
                Image.new("RGB", (10, 8), (number, 0, len(label) if label == "cat" else 9)).save(
                    folder / f"{number}.png"
                )
    data = _prepared(bring(tmp_path, "own", tmp_path / "images"), tmp_path)
    assert data.counts == {"train": 8, "val": 2, "test": 2}


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (np.eye(3)[np.arange(60) % 3], "multilabel"),
        (np.random.default_rng(1).random((60, 12)), "dense"),
        (np.random.default_rng(1).random((60, 2)), "regression"),
    ],
)
def test_kinds_are_told_from_y(tmp_path, y, kind):
    task = bring(tmp_path, "own", _npz(tmp_path, x=_samples()["x"], y=y))
    assert (task.kind, task.output_shape) == (kind, y.shape[1:])


@pytest.mark.parametrize("shape", [(12,), (8, 8)])
def test_presets_are_settings_of_a_run(tmp_path, shape):
    task = bring(tmp_path, "own", _npz(tmp_path, **_samples(shape=shape)))
    for values in (task.paper, task.laptop):
        assert Run(task="own", data="", body="", source="", source_data="").replace(values)
        assert tasks.get(values["source"]).modality == task.modality


def test_another_process_finds_the_task_by_its_name(tmp_path):
    task = bring(tmp_path, "mine", _npz(tmp_path, **_samples()))
    own._load.cache_clear()  # as another process has it
    assert len(tasks.definitions()) == 1
    assert tasks.get("mine").specification == task.specification
    with pytest.raises(RequestError, match="unknown task 'yours'"):
        tasks.get("yours")


def test_specifications_rest_as_json(tmp_path):
    specification = bring(tmp_path, "own", _npz(tmp_path, **_samples())).specification
    assert own.Specification.of(json.loads(json.dumps(asdict(specification)))) == specification


def test_regression_is_in_the_users_units_whatever_they_are(tmp_path):
    arrays = _samples(count=100)
    y = 5e6 + 1e6 * arrays["x"][:, :2]
    task = bring(tmp_path, "own", _npz(tmp_path, x=arrays["x"], y=y))
    assert (task.kind, task.output_shape, task.metric.name) == ("regression", (2,), "RMSE")
    data = _prepared(task, tmp_path)
    train = data.split("train")
    np.testing.assert_allclose(data.statistics["output_mean"], train.y.mean(0), rtol=1e-5)
    off = torch.from_numpy(np.array(train.y)) + torch.from_numpy(data.statistics["output_std"])
    np.testing.assert_allclose(task.criterion(off, torch.from_numpy(np.array(train.y))), 1, rtol=1e-4)
    assert task.constant(train.y) == pytest.approx(train.y.mean(0), rel=1e-5)


def test_one_number_a_row_is_regression_unless_they_are_few(tmp_path):
    x = _samples()["x"]
    for y, kind, outputs in (
        (np.linspace(0, 1, 60), "regression", (1,)),
        (np.arange(60) + 20, "regression", (1,)),  # ages, say
        (np.arange(60) % 6, "classification", (6,)),
    ):
        task = bring(tmp_path, "own", _npz(tmp_path, x=x, y=y))
        assert (task.kind, task.output_shape) == (kind, outputs)
    assert bring(tmp_path, "own", _npz(tmp_path, x=x, y=np.arange(60) % 6), kind="regression").output_shape == (1,)


def test_several_tasks_are_found_and_a_later_one_of_a_name_replaces_the_first(tmp_path):
    for name, classes in (("one", 3), ("two", 3), ("one", 2)):
        bring(tmp_path, name, _npz(tmp_path, **_samples(classes=classes)))
    assert (tasks.get("one").output_shape, tasks.get("two").output_shape) == ((2,), (3,))


def _with(name, rows, value):
    arrays = _samples()
    arrays[name] = arrays[name].astype(float)
    arrays[name][rows] = value
    return arrays


_THIRDS = np.array(["train"] * 40 + ["val"] * 10 + ["test"] * 10)
_LEAKING = _with("x", [3, 59], 1.0) | {"split": _THIRDS}
_SPLIT = np.array(["train"] * 40 + ["valid"] * 10 + ["test"] * 10)


@pytest.mark.parametrize(
    ("arrays", "options", "words"),
    [
        (_with("x", [4, 7], np.nan), {}, "NaN or infinite in rows 4, 7"),
        (_with("x", [5], np.inf), {}, "NaN or infinite in row 5"),
        (_with("y", [6], np.nan), {}, "NaN or infinite in row 6"),
        (_samples() | {"y": np.zeros(60, dtype=int)}, {}, "one class only"),
        (_samples() | {"y": np.arange(61) % 3}, {}, "x has 60 rows, y has 61 rows"),
        (_with("y", [8], 9), {}, "class '9.0' has 1 of at least 3 samples, row 8"),
        (_LEAKING, {}, "row 3 is also in another split, row 59"),
        (_samples() | {"split": _SPLIT}, {}, "split is 'valid' in rows 40"),
        (_samples() | {"split": np.full(60, "train")}, {}, "no row's split is 'val'"),
        (_samples() | {"y": np.linspace(0, 1, 60) * (np.arange(60) > 40), "split": _THIRDS}, {}, "never changes"),
        (_samples() | {"y": np.arange(60) % 3}, {"kind": "multilabel"}, "for multilabel give 0 and 1"),
        (_samples() | {"y": np.arange(120).reshape(60, 2) % 3}, {"kind": "multilabel"}, "neither 0 nor 1 in rows 1, 2"),
        (_samples() | {"y": np.array(["a", "b", "c"] * 20)}, {"kind": "regression"}, "for regression give numbers"),
        (_samples() | {"y": np.zeros((60, 2, 5))}, {}, "y is float64 (60, 2, 5): give"),
        (_samples(), {"metric": "rmse"}, "--metric is 'rmse': for classification choose from"),
        (_samples(), {"layout": "image"}, "--layout is image"),
        (_samples(), {"name": "My data"}, "--name is 'My data'"),
        ({"x": np.zeros((3, 2))}, {}, "lacks 'y'"),
        ({"x": np.array([[1], [1, 2]], dtype=object), "y": np.arange(2)}, {}, "unequal length"),
    ],
)
def test_bad_data_is_told_in_a_line_and_leaves_nothing(tmp_path, arrays, options, words):
    with pytest.raises(RequestError) as error:
        bring(tmp_path / "root", options.pop("name", "own"), _npz(tmp_path, **arrays), **options)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "root").exists()


def test_bad_tables_are_told_in_a_line(tmp_path):
    path = tmp_path / "table.csv"
    for text, words in (
        ("a,label\n1,x\n,y\n", "row 1"),
        ("a,label\n1,x\n2,y,3\n", "cannot be read"),
        ("a,label\n1,x\n2,\n", "'label' is empty in row 1"),
    ):
        path.write_text(text)
        with pytest.raises(RequestError) as error:
            bring(tmp_path, "own", path)
        assert words in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(RequestError, match="--label is 'c'"):
        bring(tmp_path, "own", path, label="c")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(RequestError, match="does not exist"):
        bring(tmp_path, "own", tmp_path / "none.npz")


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((2, 7)), np.full((2, 12), np.nan)])
def test_other_samples_are_refused(tmp_path, wrong):
    task = bring(tmp_path, "own", _npz(tmp_path, **_samples()))
    with pytest.raises(RequestError):
        task.encode(wrong)
