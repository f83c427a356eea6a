import pickle

import numpy as np
import pytest
import torch

from pare import tasks
from pare.data.task import SPLITS
from pare.tasks.pdebench import base
from pare.tasks.pdebench.base import field_nrmse, field_relative_l2, nrmse, root_squared_error

NAMES = [name for name in tasks.names() if name.startswith("pde-")]
BURGERS = tasks.get("pde-burgers")


def _quiet(done, total):
    pass


def _write(task, folder, frames):
    task.layout.write(folder / task.files[0], task.times, frames, task.domain)


def test_metric_is_the_mean_ratio_of_a_sample():
    y = np.array([[3.0, 4.0], [0.0, 10.0]])
    p = y + np.array([[0.0, 5.0], [1.0, 0.0]])
    assert nrmse(p, y) == pytest.approx((1 + 0.1) / 2)


def test_fields_count_alike_whatever_their_units():
    y = np.stack([np.ones((4, 9)), np.full((4, 9), 1000.0)], axis=1)
    p = y * np.array([1.1, 1.3])[:, None]
    assert field_nrmse(p, y) == pytest.approx(0.2)


def test_criteria_are_the_metrics_of_a_batch():
    rng = np.random.default_rng(0)
    p, y = rng.standard_normal((2, 5, 3, 16))
    losses = field_relative_l2(torch.from_numpy(p), torch.from_numpy(y))
    assert losses.shape == (5,)
    assert losses.mean() == pytest.approx(field_nrmse(p, y))
    roots = root_squared_error(torch.from_numpy(p), torch.from_numpy(y))
    np.testing.assert_allclose(roots, np.sqrt(((p - y) ** 2).mean((1, 2))))


@pytest.mark.parametrize("loss", [field_relative_l2, root_squared_error])
def test_a_perfect_prediction_has_a_gradient(loss):
    p = torch.ones(2, 3, 8, requires_grad=True)
    loss(p, torch.ones(2, 3, 8)).sum().backward()
    assert torch.isfinite(p.grad).all()


@pytest.mark.parametrize("name", ["pde-burgers", "pde-diffusion-sorption"])
def test_a_tenth_is_for_testing_at_orcas_end_of_the_file(name, tmp_path):
    task = tasks.get(name)
    frames = np.arange(40, dtype=np.float32)[:, None, None, None] * np.ones((1, 2, 1, 1024), np.float32)
    _write(task, tmp_path, frames)
    raw = task.read(tmp_path, _quiet)
    numbers = {split: getattr(raw, split).x[:, 0, 0].astype(int).tolist() for split in SPLITS}
    assert numbers["test"] == (list(range(4)) if name == "pde-burgers" else list(range(36, 40)))
    assert len(numbers["val"]) == 4
    assert sorted(number for part in numbers.values() for number in part) == list(range(40))


def test_statistics_come_from_the_training_split(tmp_path):
    frames = np.random.default_rng(0).normal(3, 2, (40, 2, 1, 1024)).astype(np.float32)
    frames[:4] = frames[36:] = 1e6
    _write(BURGERS, tmp_path, frames)
    statistics = BURGERS.read(tmp_path, _quiet).statistics
    for name in ("input_mean", "output_mean"):
        np.testing.assert_allclose(statistics[name], 3, atol=0.1)
    for name in ("input_std", "output_std"):
        np.testing.assert_allclose(statistics[name], 2, atol=0.1)


def test_places_that_differ_have_statistics_of_their_own(tmp_path):
    task = tasks.get("pde-diffusion-sorption")
    frames = np.ones((40, 2, 1, 1024), np.float32) * np.linspace(0, 1, 1024, dtype=np.float32)
    _write(task, tmp_path, frames)
    statistics = task.read(tmp_path, _quiet).statistics
    np.testing.assert_allclose(statistics["output_mean"], np.linspace(0, 1, 1024), atol=1e-6)
    assert statistics["input_mean"].shape == (1, 1)
    assert (statistics["output_std"] > 0).all()


def test_orca_hides_half_of_the_state_and_the_full_task_does_not():
    frames = np.random.default_rng(0).standard_normal((2, 2, 2, 128, 128))
    x, y = tasks.get("pde-diffusion-reaction-2d").pair(frames)
    np.testing.assert_array_equal(x[:, 0], frames[:, 0, 0])
    np.testing.assert_array_equal(y, frames[:, 1, 1])
    x, y = tasks.get("pde-diffusion-reaction-2d-full").pair(frames)
    np.testing.assert_array_equal(np.stack([x, y], axis=1), frames)


@pytest.mark.parametrize("name", NAMES)
def test_finer_frames_are_thinned_as_the_file_is(name):
    task = tasks.get(name)
    fine = np.random.default_rng(0).random((2, task.channels, *(2 * side for side in task.spatial_shape)))
    expected = fine[(..., *[slice(None, None, 2)] * len(task.spatial_shape))]
    np.testing.assert_allclose(task.encode(fine), expected, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_task_can_be_sent_to_where_it_is_solved(name):
    task = tasks.get(name)
    assert type(pickle.loads(pickle.dumps(task))) is type(task)


def test_progress_counts_samples(tmp_path):
    seen: list[tuple[int, int]] = []
    BURGERS.write_synthetic(tmp_path, {"samples": base.OneFrame.chunk + 3, "seed": 0}, lambda *r: seen.append(r))
    assert seen == [(20, 23), (23, 23)]


def test_samples_do_not_depend_on_their_number(tmp_path):
    for count in (5, 25):
        (tmp_path / str(count)).mkdir()
        BURGERS.write_synthetic(tmp_path / str(count), {"samples": count, "seed": 0}, _quiet)
    few, many = (
        BURGERS.layout.read(tmp_path / str(count) / BURGERS.files[0], BURGERS.times, (1024,), _quiet)
        for count in (5, 25)
    )
    np.testing.assert_allclose(few, many[:5], rtol=1e-6, atol=1e-6)
