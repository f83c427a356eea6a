import numpy as np
import pytest

from pare.tasks.pdebench.advection import transport
from pare.tasks.pdebench.base import field_nrmse
from pare.tasks.pdebench.diffusion_reaction_2d import evolved, excited
from pare.tasks.pdebench.rollout import ADVECTION, DIFFUSION_REACTION_2D, SEEN


@pytest.mark.parametrize("task", [ADVECTION, DIFFUSION_REACTION_2D])
def test_ten_frames_of_all_fields_go_in_and_all_others_come_out(task):
    fields = task.shape[0] // SEEN
    frames = np.random.default_rng(0).standard_normal((2, len(task.times), fields, *task.spatial_shape))
    x, y = task.pair(frames)
    assert (x.shape[1:], y.shape[1:]) == (task.shape, task.output_shape)
    np.testing.assert_array_equal(x[:, :fields], frames[:, 0])
    np.testing.assert_array_equal(x[:, -fields:], frames[:, SEEN - 1])
    np.testing.assert_array_equal(y[:, :fields], frames[:, SEEN])
    np.testing.assert_array_equal(y[:, -fields:], frames[:, -1])


def test_the_metric_is_the_mean_over_frames():
    rng = np.random.default_rng(0)
    p, y = rng.standard_normal((2, 3, *ADVECTION.output_shape))
    by_frame = [field_nrmse(p[:, frame : frame + 1], y[:, frame : frame + 1]) for frame in range(y.shape[1])]
    assert ADVECTION.metric.compute(p, y) == pytest.approx(np.mean(by_frame))


def test_frames_of_advection_lie_on_one_path():
    rngs = [np.random.default_rng(seed) for seed in range(2)]
    frames = ADVECTION.solve(rngs, {})
    assert frames.shape == (2, 41, 1, 1024)
    whole = transport(frames[:, 0, 0], 2.0)
    assert np.linalg.norm(frames[:, -1, 0] - whole) < 2e-3 * np.linalg.norm(whole)


def test_advections_trivial_predictor_is_the_exact_solution():
    x = (np.arange(256) + 0.5) / 256
    frames = np.stack([np.sin(2 * np.pi * (x - 0.4 * time)) for time in ADVECTION.times])[None]
    p = ADVECTION.baseline(None).predict(frames[:, :SEEN])
    np.testing.assert_allclose(p, frames[:, SEEN:], atol=1e-9)


def test_more_frames_of_diffusion_and_reaction_do_not_change_the_last():
    state = np.random.default_rng(0).standard_normal((1, 2, 32, 32))
    frames = evolved(state, (0.05, 0.45, 2.0, 5.0), 2 / 128)
    assert frames.shape == (1, 4, 2, 32, 32)
    for frame, time in ((0, 0.05), (2, 2.0), (3, 5.0)):
        expected = excited(state, time, 2 / 128)
        assert np.linalg.norm(frames[:, frame] - expected) < 5e-3 * np.linalg.norm(expected)
