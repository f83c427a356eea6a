import numpy as np
import pytest
from scipy.optimize import brentq

from pare.tasks.pdebench.shallow_water_solver import broken

DX = 2.5 / 64
X = (np.arange(64) + 0.5) * DX


def _round(radius):
    return np.where(np.hypot(*np.meshgrid(X, X)) <= radius, 2.0, 1.0)


def test_a_lake_at_rest_stays():
    np.testing.assert_allclose(broken(np.full((1, 16, 16), 1.3), 1.0, DX), 1.3, rtol=1e-12)


def test_a_dam_that_is_alike_in_both_directions_stays_so_and_keeps_its_water():
    (height,) = broken(_round(0.6)[None], 0.8, DX)
    np.testing.assert_allclose(height, height.T, atol=1e-12)
    # Nothing has reached the far sides yet.
    assert height[-1].max() == pytest.approx(1, abs=1e-6)
    assert height.sum() == pytest.approx(_round(0.6).sum(), rel=1e-6)


def test_height_depends_on_the_distance_alone():
    (height,) = broken(_round(0.6)[None], 0.8, DX)
    distance = np.hypot(*np.meshgrid(X, X))
    ring = (distance > 0.2) & (distance < 2)
    profile = np.interp(distance[ring], X, height[0])
    assert np.abs(height[ring] - profile).mean() < 5e-3


def test_a_straight_dam_breaks_as_stoker_found():
    """The middle state between a rarefaction into h = 2 and a shock into h = 1 (Stoker 1957), g = 1."""
    left = np.where(X < 1.25, 2.0, 1.0)[:, None] * np.ones((64, 8))
    (height,) = broken(left[None], 0.5, DX)
    fast = lambda h: 2 * (np.sqrt(2) - np.sqrt(h))  # noqa: E731
    shocked = lambda h: (h - 1) * np.sqrt((h + 1) / (2 * h))  # noqa: E731
    middle = brentq(lambda h: fast(h) - shocked(h), 1, 2)
    assert height[np.abs(X - 1.35) < 0.1].mean() == pytest.approx(middle, rel=5e-3)


def test_samples_do_not_depend_on_their_neighbours():
    dams = np.stack([_round(0.4), _round(0.7)])
    np.testing.assert_array_equal(broken(dams, 0.1, DX)[1:], broken(dams[1:], 0.1, DX))
