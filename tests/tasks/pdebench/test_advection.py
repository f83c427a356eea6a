import numpy as np
import pytest

from pare.tasks.pdebench.advection import SPEED, TASK, shifted, transport


def test_a_smooth_wave_travels_unchanged():
    x = (np.arange(256) + 0.5) / 256
    wave = np.stack([np.sin(2 * np.pi * x), 2 + np.cos(4 * np.pi * x)])
    moved = np.stack([np.sin(2 * np.pi * (x - 0.4)), 2 + np.cos(4 * np.pi * (x - 0.4))])
    error = np.abs(transport(wave, 1.0) - moved)
    assert error.max() < 1e-2, "only where the limiter cuts crests"
    assert error.mean() < 1e-3


def test_a_block_keeps_its_content_and_its_bounds():
    block = np.where(np.abs(np.arange(128) - 40) < 15, 1.0, -0.5)[None]
    moved = transport(block, 2.0)
    assert moved.sum() == pytest.approx(block.sum())
    assert -0.5 - 1e-12 <= moved.min() <= moved.max() <= 1 + 1e-12
    # The middle of the block, as far from its edges as they can have smeared, is where the speed takes it.
    np.testing.assert_allclose(moved[0, int(40 + SPEED * 2.0 * 128) % 128], 1, atol=1e-3)


def test_a_shift_by_whole_points_is_a_roll():
    wave = np.random.default_rng(0).standard_normal((2, 64))
    np.testing.assert_allclose(shifted(wave, 5 / 64), np.roll(wave, 5, axis=1), atol=1e-12)


def test_trivial_predictor_is_the_exact_solution():
    x = np.arange(256) / 256
    start = np.sin(2 * np.pi * x)[None, None]
    expected = np.sin(2 * np.pi * (x - SPEED * TASK.times[1]))[None]
    np.testing.assert_allclose(TASK.baseline(None).predict(start), expected, atol=1e-6)
