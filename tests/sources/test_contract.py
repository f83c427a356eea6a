"""The contract of every source proxy that reads files."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from pare import tasks
from pare.data import store
from pare.data.task import SPLITS
from pare.errors import DataError, RequestError

RECIPES = {
    "cifar10": {"train": 100, "test": 20, "seed": 0},
    "fractal-masks": {"samples": 64, "hardness": 0.5, "seed": 0},
    "tiny-imagenet": {"train": 400, "test": 20, "seed": 0},
    "voc2012": {"train": 12, "val": 4, "seed": 0},
}


def _quiet(done: int, total: int) -> None:
    pass


def _prepared(task, recipe, root):
    raw = root / task.name / "raw"
    raw.mkdir(parents=True)
    task.write_synthetic(raw, recipe, _quiet)
    assert {path.name for path in raw.iterdir()} == set(task.files)
    return store.prepare(task, root, "laptop", _quiet)


@pytest.fixture(scope="module", params=RECIPES)
def case(request, tmp_path_factory):
    """A source with its small official files below a data root and what was prepared of them."""
    task = tasks.get(request.param)
    root = tmp_path_factory.mktemp(task.name)
    return SimpleNamespace(task=task, root=root, data=_prepared(task, RECIPES[task.name], root))


def test_it_is_a_source_and_no_target(case):
    assert case.task.name in tasks.sources()
    assert case.task.name not in tasks.names()
    assert set(case.task.downloads) <= set(case.task.files)


@pytest.mark.parametrize("change", [{}, {"seed": 5}])
def test_samples_come_from_the_recipe_alone(case, tmp_path, change):
    again = _prepared(case.task, {**RECIPES[case.task.name], **change}, tmp_path)
    for name in SPLITS:
        one, other = case.data.split(name), again.split(name)
        assert (np.array_equal(one.x, other.x) and np.array_equal(one.y, other.y)) == (not change), name


def test_splits_are_disjoint_and_not_empty(case):
    groups = [case.data.split(name).group for name in SPLITS]
    assert min(map(len, groups)) > 0
    np.testing.assert_array_equal(np.concatenate(groups), np.arange(sum(map(len, groups))))


def test_inputs_and_targets_fit_the_interface(case):
    split, task = case.data.split("train"), case.task
    seeds = np.random.default_rng(0).integers(0, 2**64, 6, dtype=np.uint64)
    x, y = task.augment(np.array(split.x[:6]), np.array(split.y[:6]), seeds)
    x = task.assemble(x)
    assert (x.shape, x.dtype) == ((6, *task.shape), np.float32)
    assert 0 <= x.min() < x.max() <= 1
    if task.kind == "dense":
        assert (y.shape, set(np.unique(y))) == ((6, *task.output_shape), {0, 1})
    else:
        assert (y.shape, y.dtype) == ((6,), np.int64)
    again, _ = task.augment(np.array(split.x[2:4]), np.array(split.y[2:4]), seeds[2:4])
    np.testing.assert_allclose(task.assemble(again), x[2:4], atol=1 / 255)


def test_statistics_fit_a_sample(case):
    for name in ("input_mean", "input_std"):
        assert np.broadcast_shapes(case.data.statistics[name].shape, case.task.shape) == case.task.shape
    assert (case.data.statistics["input_std"] > 0).all()


def test_raw_samples_become_inputs_and_others_are_refused(case):
    image = np.full((2, *case.task.shape), 255, dtype=np.uint8)
    np.testing.assert_array_equal(case.task.encode(image), np.ones((2, *case.task.shape), np.float32))
    for wrong in (image[0], image[:, :1], image.astype(str), np.full((1, *case.task.shape), np.nan)):
        with pytest.raises(RequestError) as error:
            case.task.encode(wrong)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["emptied", "halved", "text"])
def test_a_damaged_file_is_told_in_a_line_and_leaves_nothing(case, tmp_path, damage):
    folder = tmp_path / case.task.name / "raw"
    shutil.copytree(case.root / case.task.name / "raw", folder)
    (name,) = case.task.files
    whole = (folder / name).read_bytes()
    content = {"emptied": b"", "halved": whole[: len(whole) // 2], "text": b"sample,label\n" * 1000}[damage]
    (folder / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        store.prepare(case.task, tmp_path, "laptop", _quiet)
    assert str(folder / name) in str(error.value)
    assert "\n" not in str(error.value)
    assert [path.name for path in (tmp_path / case.task.name).iterdir()] == ["raw"]


def test_photographs_cannot_be_had_by_the_paper_preset(case, tmp_path):
    if case.task.synthetic == "generated":
        pytest.skip("it is made by formula")
    with pytest.raises(DataError, match=case.task.files[0]):
        store.prepare(case.task, tmp_path, "paper", _quiet)
