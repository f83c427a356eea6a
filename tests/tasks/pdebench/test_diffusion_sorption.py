import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import erfc

from pare.data.task import Split
from pare.tasks.pdebench import diffusion_sorption


def test_agrees_with_small_steps_of_an_explicit_method():
    column = np.full(64, 0.1)
    expected = solve_ivp(diffusion_sorption.change, (0, 200), column, method="RK45", rtol=1e-8, atol=1e-10).y[:, -1]
    np.testing.assert_allclose(diffusion_sorption.soak(column, 200.0), expected, atol=1e-5)


def test_without_sorption_it_is_the_textbook_profile(monkeypatch):
    monkeypatch.setattr(diffusion_sorption, "FREUNDLICH", 0.0)
    x = (np.arange(256) + 1) / 256  # the source lies in the cell before the first
    profile = diffusion_sorption.soak(np.zeros(256), 20.0)
    np.testing.assert_allclose(profile, erfc(x / np.sqrt(4 * diffusion_sorption.DIFFUSION * 20)), atol=2e-3)


def test_a_column_in_balance_with_the_source_stays():
    changed = diffusion_sorption.change(0.0, np.full(32, diffusion_sorption.SOURCE))
    np.testing.assert_allclose(changed[:-1], 0, atol=1e-12)


def test_sorption_slows_by_what_freundlich_has():
    # R = 1 + (1 − n)/n · ρ k n_f at u = 1.
    expected = 1 + 0.71 / 0.29 * 2880 * 3.5e-4 * 0.874
    np.testing.assert_allclose(diffusion_sorption.retardation(np.array([1.0])), expected, rtol=1e-6)


def test_trivial_predictor_interpolates_between_training_samples():
    levels = np.array([0.0, 0.1, 0.1, 0.2])
    x = np.broadcast_to(levels[:, None, None], (4, 1, 1024)).astype(np.float32)
    y = np.stack([np.full(1024, value, np.float32) for value in (1, 2, 4, 7)])
    predicted = diffusion_sorption.TASK.baseline(Split(x, y, np.arange(4))).predict(np.full((1, 1, 1024), 0.15))
    assert predicted.shape == (1, 1024)
    np.testing.assert_allclose(predicted, 5, rtol=1e-5)  # halfway from the mean of both in the middle to the last
