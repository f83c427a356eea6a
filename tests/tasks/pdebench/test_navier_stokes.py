import numpy as np

from pare.tasks.pdebench.euler_solver import GAMMA
from pare.tasks.pdebench.navier_stokes import TASK, settled


def test_initial_states_lie_in_the_published_ranges():
    frames = TASK.solve([TASK.generator(0, index) for index in range(6)], {"cells": 32})
    density, pressure, velocity = np.moveaxis(frames[:, 0], 1, 0)
    for field, low, high in ((density, 1, 10), (pressure, 10, 100)):
        least, span = field.min(1), np.ptp(field, axis=1)
        assert low <= least.min() <= least.max() <= high
        assert low - 1e-6 <= span.min() <= span.max() <= high + 1e-6
    assert np.abs(velocity).max() <= 3


def test_settled_gas_keeps_mass_momentum_and_energy():
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 2, (2, 3, 1024))
    density, pressure, velocity = settled(x).T
    np.testing.assert_allclose(density, x[:, 0].mean(1))
    np.testing.assert_allclose(density * velocity, (x[:, 0] * x[:, 2]).mean(1))
    energy = x[:, 1] / (GAMMA - 1) + x[:, 0] * x[:, 2] ** 2 / 2
    np.testing.assert_allclose(pressure / (GAMMA - 1) + density * velocity**2 / 2, energy.mean(1))


def test_trivial_predictor_has_the_targets_shape():
    x = np.random.default_rng(0).uniform(1, 2, (2, *TASK.shape)).astype(np.float32)
    assert TASK.baseline(None).predict(x).shape == (2, *TASK.output_shape)
