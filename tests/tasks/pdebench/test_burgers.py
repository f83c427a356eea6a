import numpy as np
import pytest
from scipy.integrate import solve_ivp

from pare.tasks.pdebench.burgers import CELLS, TASK, VISCOSITY, decay


def _by_differences(u, time):
    """The equation in space by central differences of its conservation law, in time by an implicit method."""
    dx = 1 / len(u)

    def rate(_, u):
        right = (np.roll(u, -1) + u) / 2
        flux = right**2 / 2 - VISCOSITY * (np.roll(u, -1) - u) / dx
        return -(flux - np.roll(flux, 1)) / dx

    return solve_ivp(rate, (0, time), u, method="BDF", rtol=1e-8, atol=1e-8).y[:, -1]


def test_agrees_with_finite_differences():
    x = (np.arange(128) + 0.5) / 128
    u = 0.7 + np.sin(2 * np.pi * x) - 0.5 * np.cos(4 * np.pi * x + 1)
    np.testing.assert_allclose(decay(u[None], 0.05)[0], _by_differences(u, 0.05), atol=1e-3)


def test_ends_at_its_mean():
    u = np.random.default_rng(0).uniform(-1, 1, (3, 256))
    np.testing.assert_allclose(decay(u, 2.0), np.broadcast_to(u.mean(1, keepdims=True), u.shape), atol=1e-9)


def test_no_time_changes_nothing():
    u = np.sin(2 * np.pi * np.arange(64) / 64)[None] + 0.3
    np.testing.assert_allclose(decay(u, 0.0), u, atol=1e-6)


def test_trivial_predictor_is_the_mean():
    x = np.random.default_rng(0).standard_normal((2, 1, CELLS))
    predicted = TASK.baseline(None).predict(x)
    assert predicted.shape == (2, CELLS)
    assert predicted[1, 7] == pytest.approx(x[1].mean())
