import gzip
import pickle

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator
from scipy.spatial.transform import Rotation

from pare.data import checks
from pare.errors import DataError, RequestError
from pare.tasks.nas360.spherical import simulator
from pare.tasks.nas360.spherical.task import TASK

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 3, 60, 60), dtype=np.uint8)
LABELS = np.array([99, 0, 5, 7, 7, 30, 31, 32, 33, 34])


def _quiet(done: int, total: int) -> None:
    pass


def _part(images=IMAGES, labels=LABELS):
    return {"images": images, "labels": labels}


def _write(folder, content):
    path = folder / TASK.files[0]
    path.write_bytes(gzip.compress(pickle.dumps(content), 1))
    return path


@pytest.mark.parametrize("labels", [LABELS, LABELS.tolist()])
def test_the_last_fifth_of_train_is_for_validation(tmp_path, labels):
    _write(tmp_path, {"train": _part(labels=labels), "test": _part(IMAGES[:3], LABELS[:3])})
    raw = TASK.read(tmp_path, _quiet)
    for split, part in ((raw.train, slice(8)), (raw.val, slice(8, None)), (raw.test, slice(3))):
        np.testing.assert_array_equal(split.x, IMAGES[part])
        np.testing.assert_array_equal(split.y, LABELS[part])
    assert raw.statistics == {}


def test_metric_is_the_error():
    assert TASK.metric is checks.ERROR


def test_images_are_scaled_and_nothing_else():
    np.testing.assert_array_equal(TASK.encode(IMAGES), IMAGES.astype(np.float32) / 255)
    np.testing.assert_array_equal(TASK.assemble(IMAGES), TASK.encode(IMAGES))
    with pytest.raises(RequestError, match="60"):
        TASK.encode(IMAGES[..., :32])


def test_the_grid_integrates_the_sphere():
    points = simulator.grid()
    assert points.shape == (60, 60, 3)
    np.testing.assert_allclose(np.linalg.norm(points, axis=-1), 1)
    # Driscoll and Healy's theorem 3: with their weights, sums over the grid are integrals of low harmonics.
    b, k = 30, np.arange(30)
    polar = (2 * np.arange(60) + 1) * np.pi / 120
    weight = 2 / b * np.sin(polar) * (np.sin(np.outer(polar, 2 * k + 1)) / (2 * k + 1)).sum(axis=1)
    weight = weight * 2 * np.pi / (2 * b) / weight.sum() * 2
    for axis in range(3):
        assert (weight[:, None] * points[..., axis] ** 2).sum() == pytest.approx(4 * np.pi / 3)


def test_projection_is_stereographic_from_the_north_pole():
    picture = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    turn = Rotation.random(rng=np.random.default_rng(1))
    found = simulator.project(picture, turn)[0].astype(float)
    places = (np.arange(32) + 0.5) / 32 * 3 - 1.5
    look = RegularGridInterpolator((places, places), picture[0].transpose(1, 2, 0).astype(float))
    for k, j in np.random.default_rng(2).integers(0, 60, (200, 2)):
        x, y, z = turn.apply(simulator.grid()[k, j])
        # The ray from the pole (0, 0, 1) through the point meets the plane z = -1 here.
        plane = np.array([x, y]) * 2.001 / (1.001 - z)
        if np.abs(plane).max() < 1.44:
            np.testing.assert_allclose(found[:, k, j] / 255, look(plane)[0] / picture.max((0, 2, 3)), atol=0.06)
        elif np.abs(plane).max() > 1.6:
            assert not found[:, k, j].any()


def test_each_picture_has_its_own_rotation():
    pictures = np.full((3, 3, 32, 32), 200, np.uint8)
    seen = simulator.project(pictures, Rotation.random(3, rng=np.random.default_rng(0))) > 0
    assert (seen[0] != seen[1]).any()
    assert seen.mean() < 0.5, "the picture lies on the southern half"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([1], "a dict {train, test}"),
        ({"train": _part()}, "a dict {train, test}"),
        ({"train": _part(), "test": {"images": IMAGES}}, "a dict {train, test}"),
        ({"train": _part(IMAGES[:, :1]), "test": _part()}, "images of train has shape"),
        ({"train": _part(IMAGES[:4], LABELS[:4]), "test": _part()}, "n ≥ 5"),
        ({"train": _part(), "test": _part(IMAGES[:0], LABELS[:0])}, "images of test has shape"),
        ({"train": _part(IMAGES / 255), "test": _part()}, "expected bytes"),
        ({"train": _part(labels=LABELS[:9]), "test": _part()}, "labels of train"),
        ({"train": _part(), "test": _part(labels=LABELS + 1)}, "1 to 100"),
    ],
)
def test_malformed_file_is_one_line(tmp_path, content, expected):
    path = _write(tmp_path, content)
    with pytest.raises(DataError) as error:
        TASK.read(tmp_path, _quiet)
    assert str(path) in str(error.value)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
