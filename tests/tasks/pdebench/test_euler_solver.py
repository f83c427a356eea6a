import numpy as np
import pytest

from pare.tasks.pdebench import euler_solver
from pare.tasks.pdebench.euler_solver import GAMMA, flow

X = (np.arange(64) + 0.5) / 32 - 1


def _conserved(state):
    density, pressure, velocity = np.moveaxis(state, 1, 0)
    energy = pressure / (GAMMA - 1) + density * velocity**2 / 2
    return np.stack([density, density * velocity, energy]).mean(-1)


@pytest.fixture(scope="module")
def waves():
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 2 * np.pi, (3, 3, 1))
    fields = np.sin(np.pi * X + phase)
    return fields * np.array([1, 5, 1])[:, None] + np.array([3, 20, 0.5])[:, None]


def test_mass_momentum_and_energy_are_kept(waves):
    np.testing.assert_allclose(_conserved(flow(waves, 0.3, 2.0)), _conserved(waves), rtol=1e-10)


def test_a_uniform_flow_stays():
    state = np.array([2.0, 15.0, -0.7])[None, :, None] * np.ones((1, 3, 32))
    np.testing.assert_allclose(flow(state, 0.5, 2.0), state, rtol=1e-12)


def test_samples_do_not_depend_on_their_neighbours(waves):
    np.testing.assert_allclose(flow(waves, 0.2, 2.0)[1:2], flow(waves[1:2], 0.2, 2.0), rtol=1e-4)


def test_a_sound_wave_has_its_speed_and_its_damping():
    """Linear theory: v ∝ exp(−ν k² t / 2) cos(ω t), ω² = c² k² − (ν k² / 2)², for viscosity without conduction."""
    density, pressure, small, k = 2.0, 30.0, 1e-4, np.pi
    x = (np.arange(128) + 0.5) / 64 - 1
    state = np.stack([np.full(128, density), np.full(128, pressure), small * np.sin(k * x)])[None]
    damping = euler_solver._VISCOSITY * k**2 / 2
    frequency = np.sqrt(GAMMA * pressure / density * k**2 - damping**2)
    time = 0.2
    expected = np.exp(-damping * time) * (np.cos(frequency * time) - damping / frequency * np.sin(frequency * time))
    amplitude = 2 * np.mean(flow(state, time, 2.0)[0, 2] * np.sin(k * x)) / small
    assert amplitude == pytest.approx(expected, abs=5e-3)


def test_a_contact_between_gases_at_rest_stays():
    state = np.stack([np.where(X > 0, 1.0, 8.0), np.full(64, 10.0), np.zeros(64)])[None]
    np.testing.assert_allclose(flow(state, 0.2, 2.0), state, atol=1e-9)
