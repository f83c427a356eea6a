import numpy as np
import pytest

from pare.tasks.pdebench.shallow_water import SIDE, TASK


@pytest.fixture(scope="module")
def frames():
    return TASK.solve([TASK.generator(0, 3)], {})[0, :, 0]


def test_the_dam_has_the_published_radius_and_heights(frames):
    radius = np.random.default_rng(3).uniform(0.3, 0.7)
    assert set(np.unique(frames[0])) == {1.0, 2.0}
    area = (frames[0] == 2).sum() * (5 / SIDE) ** 2
    assert area == pytest.approx(np.pi * radius**2, rel=0.05)


def test_all_four_quarters_are_alike(frames):
    for frame in frames:
        np.testing.assert_array_equal(frame, frame[::-1])
        np.testing.assert_array_equal(frame, frame[:, ::-1])
        np.testing.assert_allclose(frame, frame.T, atol=1e-12)


def test_water_is_kept_until_it_reaches_the_edge(frames):
    assert frames[1].sum() == pytest.approx(frames[0].sum(), rel=1e-6)
