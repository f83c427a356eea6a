import numpy as np
from scipy.integrate import solve_ivp
from scipy.ndimage import uniform_filter

from pare.data.task import Split
from pare.tasks.pdebench.diffusion_reaction_2d import DIFFUSION, REST, excited, filtered, laplacian


def _rate(u, v):
    return u - u**3 - REST - v, u - v


def test_a_constant_state_follows_the_ordinary_equations():
    state = np.array([0.8, -0.3])[None, :, None, None] * np.ones((1, 2, 8, 8))
    expected = solve_ivp(lambda _, s: _rate(*s), (0, 5), [0.8, -0.3], rtol=1e-10, atol=1e-10).y[:, -1]
    np.testing.assert_allclose(excited(state, 5.0, 0.1)[0, :, 3, 5], expected, atol=1e-4)


def test_noise_agrees_with_the_published_finite_volumes():
    state, dx = np.random.default_rng(0).standard_normal((2, 16, 16)), 2 / 128

    def rate(_, flat):
        fields = flat.reshape(2, 16, 16)
        padded = np.pad(fields, ((0, 0), (1, 1), (1, 1)), mode="edge")
        around = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:] - 4 * fields
        spread = np.array(DIFFUSION)[:, None, None] * around / dx**2
        return (np.stack(_rate(*fields)) + spread).ravel()

    expected = solve_ivp(rate, (0, 5), state.ravel(), rtol=1e-7, atol=1e-9).y[:, -1].reshape(2, 16, 16)
    ours = excited(state[None], 5.0, dx)[0]
    assert np.linalg.norm(ours - expected) < 5e-3 * np.linalg.norm(expected)


def test_eigenvalues_are_those_of_five_points_without_flux():
    mode = np.cos(np.pi * 3 * (np.arange(8) + 0.5) / 8)[:, None] * np.ones(8)
    padded = np.pad(mode, ((1, 1), (0, 0)), mode="edge")
    np.testing.assert_allclose((2 * mode - padded[:-2] - padded[2:]) / 0.25, laplacian(8, 0.5)[3, 0] * mode, atol=1e-12)


def _fields(count, channels):
    return np.random.default_rng(0).standard_normal((count, channels, 32, 32))


def test_filter_finds_a_mean_over_neighbours():
    x = _fields(30, 1)
    y = uniform_filter(x[:, 0], (0, 3, 3), mode="reflect") + 2
    trivial = filtered(Split(x[:20], y[:20], np.arange(20)))
    error = np.linalg.norm(trivial.predict(x[20:]) - y[20:]) / np.linalg.norm(y[20:] - 2)
    assert error < 0.25  # a square is not round


def test_filter_finds_how_fields_mix():
    x = _fields(20, 2)
    y = np.stack([2 * x[:, 0] - x[:, 1], x[:, 1] + 5], axis=1)
    np.testing.assert_allclose(filtered(Split(x, y, np.arange(20))).predict(x[:3]), y[:3], atol=1e-9)
