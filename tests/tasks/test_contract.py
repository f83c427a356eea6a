"""The contract of every registered task, and of one of the UCR archive."""

import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pare import tasks
from pare.config import Run
from pare.data import labels, store
from pare.data.labels import LabelBudget
from pare.data.official import archives
from pare.data.task import SPLITS
from pare.errors import DataError, RequestError
from pare.method import methods
from pare.method.objective import Mixing
from pare.training import optim
from pare.training.prefetch import TrainSet
from tests.tasks import tiny
from tests.training.host import NothingOfTheHost


def _quiet(done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module", params=(*tasks.names(), *tiny.ELSEWHERE))
def case(request, tmp_path_factory):
    """A task with its tiny official files below a data root and what was prepared of them."""
    task, small = tasks.get(request.param), tiny.of(request.param)
    root = tmp_path_factory.mktemp(task.name)
    data = _prepared(task, small, small.recipe, root)
    return SimpleNamespace(task=task, small=small, raw=root / task.name / "raw", data=data)


def _settings(task, preset):
    return dict(task.paper) | (dict(task.laptop) if preset == "laptop" else {})


def _run(task, preset):
    return Run(task=task.name, data="", body="", source="", source_data="").replace(_settings(task, preset))


def test_says_what_it_is(case):
    task = case.task
    assert task.name
    assert task.title
    assert task.homepage
    assert task.labels == () or len(task.labels) == task.output_shape[0]
    assert ("laptop" in task.recipes) == (case.small.write is None)
    assert task.synthetic == ("generated" if "paper" in task.recipes else "simulated")
    assert len({figure.method for figure in task.published}) >= case.small.figures


def _prepared(task, small, recipe, root):
    """Prepare official files that a recipe writes, with the real loader."""
    raw = root / task.name / "raw"
    raw.mkdir(parents=True)
    if small.write:
        small.write(raw, recipe)
    else:
        task.write_synthetic(raw, recipe, _quiet)
    assert {path.name for path in raw.iterdir()} == set(task.files)
    return store.prepare(task, root, "laptop", _quiet)


@pytest.mark.parametrize("change", [{}, {"seed": 5}])
def test_samples_come_from_the_recipe_alone(case, tmp_path, change):
    again = _prepared(case.task, case.small, {**case.small.recipe, **change}, tmp_path)
    for name in SPLITS:
        one, other = case.data.split(name), again.split(name)
        assert (np.array_equal(one.x, other.x) and np.array_equal(one.y, other.y)) == (not change), name


def test_real_files_are_told_from_simulated_ones(case):
    assert case.data.provenance == "real"


def test_splits_have_the_promised_counts(case):
    counts = tuple(len(case.data.split(name)) for name in SPLITS)
    assert counts == tuple(case.data.counts[name] for name in SPLITS)
    assert min(counts) > 0
    assert case.small.counts in (None, counts)


def test_no_group_is_in_two_splits(case):
    groups = [set(case.data.split(name).group.tolist()) for name in SPLITS]
    assert len(set.union(*groups)) == sum(map(len, groups))


def test_samples_of_a_group_lie_together(case):
    for name in SPLITS:
        group = case.data.split(name).group
        assert 1 + np.count_nonzero(np.diff(group)) == len(np.unique(group))


def test_inputs_have_the_interfaces_shape_and_type(case):
    for name in SPLITS:
        split = case.data.split(name)
        x = case.task.assemble(np.array(split.x[:8]))
        assert x.shape == (min(8, len(split)), *case.task.shape)
        assert x.dtype == np.float32
        assert np.isfinite(x).all()
        assert len(split.y) == len(split.group) == len(split)
        assert split.group.dtype == np.int64


def test_targets_have_the_interfaces_type(case):
    for name in SPLITS:
        y = case.data.split(name).y
        if case.task.kind == "classification":
            assert (y.ndim, y.dtype) == (1, np.int64)
            assert 0 <= y.min() <= y.max() < case.task.output_shape[0]
        else:
            assert y.dtype == np.float32
            assert np.isfinite(y).all()
            assert y.shape[-len(case.task.output_shape) :] == case.task.output_shape


def _sound(task, statistics):
    for name, array in statistics.items():
        shape = task.shape if name.startswith("input") else task.output_shape
        assert np.broadcast_shapes(array.shape, shape) == shape
        assert np.isfinite(array).all()
        assert not name.endswith("std") or (array > 0).all()


def test_statistics_fit_a_sample_and_those_of_all_are_the_datas(case):
    _sound(case.task, case.data.statistics)
    for name, array in case.task.statistics_of(case.data.split("train")).items():
        np.testing.assert_allclose(array, case.data.statistics[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_budget_of_labels_leaves_a_sound_task(case):
    total = labels.count(case.task, case.data.split("train"))
    few = labels.prepare(case.task, case.data, LabelBudget(max(1, total - 1), 0))
    assert labels.count(case.task, few.split("train")) == max(1, total - 1)
    _sound(case.task, few.statistics)


def test_augmentation_comes_from_the_seeds_alone(case):
    split = case.data.split("train")
    seeds = np.random.default_rng(0).integers(0, 2**64, 4, dtype=np.uint64)

    def draw(chosen):
        x, y = case.task.augment(np.array(split.x[chosen]), np.array(split.y[chosen]), seeds[chosen])
        return case.task.assemble(x), y

    x, y = draw(np.arange(4))
    for chosen in ([2], [3, 1]):
        again_x, again_y = draw(np.array(chosen))
        np.testing.assert_allclose(again_x, x[chosen], atol=1e-5)
        np.testing.assert_array_equal(again_y, y[chosen])
    assert x.shape == (4, *case.task.shape)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()


def test_perfect_predictions_score_the_optimum(case):
    split = case.data.split("test")
    perfect = case.small.perfect(np.array(split.y))
    for metric in (case.task.metric, *case.task.extra_metrics):
        score = case.task.score(metric, perfect, split)
        assert score == pytest.approx(0 if metric.direction == "minimize" else 1, abs=1e-6), metric.name


def test_constant_predictions_score_worse(case):
    split, metric = case.data.split("test"), case.task.metric
    constant = case.task.constant(np.array(case.data.split("train").y))
    assert constant.shape == case.task.output_shape
    constants = np.broadcast_to(constant, (len(split), *constant.shape)).copy()
    worst = case.task.score(metric, constants, split)
    assert np.isfinite(worst)
    assert metric.better(case.task.score(metric, case.small.perfect(np.array(split.y)), split), worst)


def test_whole_set_metric_does_not_depend_on_the_order(case):
    split, metric = case.data.split("test"), case.task.metric
    if case.task.drawn_by_group:
        pytest.skip("its samples are judged by group")
    predictions = np.random.default_rng(0).standard_normal((len(split), *case.task.output_shape)).astype(np.float32)
    order = np.random.default_rng(1).permutation(len(split))
    score = metric.compute(predictions.copy(), np.array(split.y))
    assert metric.compute(predictions[order], split.y[order]) == pytest.approx(score, rel=1e-6)


def test_raw_samples_become_inputs(case):
    shape = case.small.raw or case.task.shape
    encoded = case.task.encode(np.random.default_rng(0).random((2, *shape)))
    assert encoded.shape == (2, *case.task.shape)
    assert encoded.dtype == np.float32
    assert np.isfinite(encoded).all()


def test_other_arrays_are_refused(case):
    shape = case.small.raw or case.task.shape
    for wrong in (np.zeros(()), np.zeros(3), np.zeros((2, 7)), np.full((2, *shape), np.nan), np.full((2, *shape), "a")):
        with pytest.raises(RequestError) as error:
            case.task.encode(wrong)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("preset", ["paper", "laptop"])
def test_presets_are_settings_of_a_run(case, preset):
    values = _settings(case.task, preset)
    assert _run(case.task, preset).flat().items() >= values.items()
    assert tasks.get(values["source"]).modality == case.task.modality
    assert values["optimizer.batch"] % values.get("optimizer.accumulate", 1) == 0


@pytest.fixture
def _one_thread():
    """Two samples make too little work to share among threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_one_thread")
@pytest.mark.parametrize("method", ["pare", "nft"])
def test_a_step_of_training_moves_the_model(case, method):
    task, run = case.task, _run(case.task, "laptop").replace({"method": method})
    source = tasks.get(run.source)
    torch.manual_seed(0)
    objective = methods.build(run, task, task.criterion, case.data.statistics, source, {}, source.criterion)
    optimizer = optim.build(objective, run.optimizer)
    optim.schedule(optimizer, run.optimizer, 1, 10)
    seeds = np.arange(2, dtype=np.uint64)
    x, y = map(torch.from_numpy, TrainSet(task, case.data.split("train")).draw(np.arange(2), seeds))
    before = [p.detach().clone() for p in objective.parameters()]
    source_y = torch.zeros(2, *source.output_shape) if source.kind == "dense" else torch.arange(2)
    mixing = Mixing(torch.rand(2, *source.shape), source_y, torch.tensor(3), None) if method == "pare" else None
    task.criterion(torch.zeros(2, *task.output_shape), y)  # which makes what is made once
    with NothingOfTheHost():
        losses = objective(x, y, mixing)
        losses.total.mean().backward()
    assert losses.total.shape == (2,)
    optimizer.step()
    assert all(torch.isfinite(p).all() for p in objective.parameters())
    assert any((p != old).any() for p, old in zip(objective.parameters(), before, strict=True))
    assert objective.model(x).shape == (2, *task.output_shape)


def test_measurements_cannot_be_had_by_the_paper_preset(case, tmp_path):
    if "paper" in case.task.recipes:
        pytest.skip("it is generated as published")
    with pytest.raises(DataError) as error:
        store.prepare(case.task, tmp_path, "paper", _quiet)
    assert all(name in str(error.value) for name in case.task.files)
    assert case.task.homepage in str(error.value)


_DAMAGES = {
    "emptied": lambda path: path.write_bytes(b""),
    "halved": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "overwritten": lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
    "as text": lambda path: path.write_text("sample,label\n" * 100),
}


@pytest.mark.parametrize("damage", _DAMAGES.values(), ids=_DAMAGES)
def test_damaged_files_are_told_in_a_line_and_leave_nothing(case, tmp_path, damage):
    for name in case.task.files:
        root = tmp_path / name
        folder = root / case.task.name / "raw"
        folder.mkdir(parents=True)
        for other in case.task.files:
            os.link(case.raw / other, folder / other)
        (folder / name).unlink()
        shutil.copy(case.raw / name, folder / name)
        damage(folder / name)
        with pytest.raises(DataError) as error:
            store.prepare(case.task, root, "laptop", _quiet)
        assert str(folder / name) in str(error.value)
        assert "\n" not in str(error.value)
        assert [path.name for path in (root / case.task.name).iterdir()] == ["raw"]


def test_absent_files_are_named(case, tmp_path):
    for name in case.task.files:
        folder = tmp_path / name
        folder.mkdir()
        for other in case.task.files:
            if other != name:
                os.link(case.raw / other, folder / other)
        assert archives.find(folder, name) is None
        with pytest.raises(DataError) as error:
            _read_all(case.task, folder)
        assert str(folder / name) in str(error.value)


def _read_all(task, folder):
    raw = task.read(folder, _quiet)
    for name in SPLITS:
        tuple(getattr(raw, name))  # chunks are read only when asked for
