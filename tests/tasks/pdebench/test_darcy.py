import numpy as np
import pytest
from scipy.linalg import expm

from pare.tasks.pdebench.darcy import (
    COEFFICIENTS,
    FORCE,
    TASK,
    coefficient,
    initial,
    relaxed,
    steady,
    stiffness,
)

X = (np.arange(16) + 0.5) / 16


def _nu(seed=0):
    return coefficient(np.random.default_rng(seed), X)


def test_coefficient_has_both_values_on_average_alike_often():
    values = np.stack([_nu(seed) for seed in range(200)])
    assert set(np.unique(values)) == set(COEFFICIENTS)
    assert 0.4 < (values == COEFFICIENTS[1]).mean() < 0.7


def test_initial_fields_have_a_level_and_small_waves():
    fields = np.stack([initial(np.random.default_rng(seed), X) for seed in range(100)])
    assert fields.mean((1, 2)).min() >= 0.1
    assert fields.mean((1, 2)).max() < 10.5
    assert np.abs(fields - np.median(fields, (1, 2), keepdims=True)).mean((1, 2)).max() < 0.7


def test_stiffness_is_the_flux_out_of_each_cell():
    nu, u = np.full((16, 16), 2.0), np.random.default_rng(0).standard_normal((16, 16))
    padded = np.pad(u, 1)
    laplacian = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * u
    np.testing.assert_allclose(stiffness(nu) @ u.ravel(), -2.0 * 16**2 * laplacian.ravel())
    np.testing.assert_allclose(stiffness(_nu()).toarray(), stiffness(_nu()).toarray().T)


def test_relaxation_is_the_exponential_of_the_matrix():
    nu, start = _nu(), initial(np.random.default_rng(3), X)
    end = steady(nu)
    expected = end.ravel() + expm(-2.0 * stiffness(nu).toarray()) @ (start - end).ravel()
    np.testing.assert_allclose(relaxed(nu, start, 2.0).ravel(), expected, atol=2e-3 * expected.max())


def test_steady_state_balances_the_force():
    nu = _nu(1)
    np.testing.assert_allclose(stiffness(nu) @ steady(nu).ravel(), FORCE)


def test_steady_state_of_a_uniform_square_is_the_textbook_one():
    u = steady(np.full((64, 64), 1.0))
    # u = 0 lies one cell beyond the edge cells' centres: a square of 65 cells a side.
    assert u[31:33, 31:33].mean() == pytest.approx(0.0736713 * FORCE * (65 / 64) ** 2, rel=1e-3)


def test_a_long_time_leads_to_the_steady_state():
    nu = np.ones((16, 16))
    np.testing.assert_allclose(relaxed(nu, initial(np.random.default_rng(0), X), 50.0), steady(nu), rtol=1e-6)


def test_trivial_predictor_is_the_steady_state():
    nu = np.full((1, *TASK.shape), 0.1, dtype=np.float32)
    np.testing.assert_allclose(TASK.baseline(None).predict(nu)[0], steady(nu[0, 0].astype(float)))
