import numpy as np
import pytest
from scipy.integrate import solve_ivp

from pare.tasks.pdebench.diffusion_reaction import CELLS, DIFFUSION, GROWTH, TASK, react


def _logistic(u, time):
    return 1 / (1 + (1 / u - 1) * np.exp(-GROWTH * time))


def test_a_constant_grows_by_the_logistic_curve():
    u = np.array([[0.1], [0.5], [0.9]]) * np.ones(64)
    np.testing.assert_allclose(react(u, 0.7), _logistic(u, 0.7), rtol=1e-12)


def test_agrees_with_finite_differences():
    x = np.arange(256) / 256
    u = 0.5 + 0.4 * np.sin(2 * np.pi * x) + 0.1 * np.cos(6 * np.pi * x)

    def rate(_, u):
        return DIFFUSION * (np.roll(u, 1) - 2 * u + np.roll(u, -1)) * 256**2 + GROWTH * u * (1 - u)

    expected = solve_ivp(rate, (0, 0.05), u, method="BDF", rtol=1e-8, atol=1e-8).y[:, -1]
    np.testing.assert_allclose(react(u[None], 0.05)[0], expected, atol=1e-4)


def test_trivial_predictor_lets_the_mean_grow():
    x = np.random.default_rng(0).random((2, 1, CELLS))
    predicted = TASK.baseline(None).predict(x)
    assert predicted.shape == (2, CELLS)
    assert predicted[1, 3] == pytest.approx(_logistic(x[1].mean(), TASK.times[1]))
