from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from pare.data.synthetic.ifs import histogram, point_sets
from pare.data.synthetic.render import render
from pare.data.task import Raw
from pare.errors import DataError, RequestError
from pare.sources.formula.fractals import TASK


def quiet(done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def sets() -> np.ndarray:
    return point_sets(16)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Raw:
    folder = tmp_path_factory.mktemp("fractals")
    TASK.write_synthetic(folder, {**TASK.recipes["laptop"], "samples": 512}, quiet)
    return TASK.read(folder, quiet)


def test_a_class_depends_on_its_number_and_the_seed_only(sets):
    np.testing.assert_array_equal(point_sets(3), sets[:3])
    assert not np.allclose(point_sets(3, seed=1), sets[:3])


def test_point_sets_fill_the_unit_square_without_leaving_it(sets):
    assert sets.shape == (16, 4, 4096, 2)
    assert sets.dtype == np.float32
    assert (np.abs(sets) <= 1).all(axis=-1).mean() > 0.95
    assert np.isfinite(sets).all()


def test_a_picture_does_not_depend_on_its_company(sets):
    classes, instances = np.arange(12) % 5, np.arange(12)
    images, masks = render(sets, classes, instances, seed=3)
    for k in (0, 7, 11):
        image, mask = render(sets, classes[k : k + 1], instances[k : k + 1], seed=3)
        np.testing.assert_array_equal(image[0], images[k])
        np.testing.assert_array_equal(mask[0], masks[k])
    assert not np.allclose(render(sets, classes, instances, seed=4)[0], images)


@pytest.mark.parametrize("size", [32, 64, 96])
@pytest.mark.parametrize("hardness", [0, 0.5, 1])
def test_pictures_are_finite_and_lie_in_the_unit_interval(sets, size, hardness):
    images, masks = render(sets, np.arange(16), np.arange(16), size=size, hardness=hardness)
    assert images.shape == (16, 3, size, size)
    assert images.dtype == np.float32
    assert masks.shape == (16, size, size)
    assert masks.dtype == bool
    assert images.min() >= 0
    assert images.max() <= 1
    assert (masks.mean(axis=(1, 2)) > 0.01).all()


def test_the_mask_is_where_the_fractal_is_drawn(sets):
    images, masks = render(sets, np.arange(16), np.arange(16), hardness=0)
    np.testing.assert_array_equal((images > 0).all(axis=1), masks)
    images, masks = render(sets, np.arange(16), np.arange(16), hardness=0.5)
    for image, mask in zip(images, masks, strict=True):
        contrast = image[:, mask].mean(axis=1) - image[:, ~mask].mean(axis=1)
        assert np.abs(contrast).max() > 0.15


def test_histogram_counts_points_by_row_and_column_and_drops_those_outside():
    cloud = np.array([[[0.1, 0.9], [0.1, 0.9], [0.9, 0.1], [1.0, 0.5], [-0.1, 0.5]]], dtype=np.float32)
    np.testing.assert_array_equal(histogram(cloud, 2), [[[0, 1], [2, 0]]])


def test_classes_are_told_apart_by_simple_features(sets):
    """Chance is 6 %; the features ignore colour, place and direction."""
    classes, instances = np.arange(640) % 16, np.arange(640)
    _, masks = render(sets, classes, instances, hardness=0.5)
    spectrum = np.abs(np.fft.fft2(masks))
    row, column = np.meshgrid(*[np.minimum(np.arange(64), 64 - np.arange(64))] * 2)
    ring = np.hypot(row, column).astype(int).ravel()
    features = np.log([np.bincount(ring, s.ravel())[:40] for s in spectrum])
    forest = ExtraTreesClassifier(100, random_state=0).fit(features[:480], classes[:480])
    assert forest.score(features[480:], classes[480:]) > 0.4


def test_splits_are_disjoint_and_hold_every_class(raw):
    groups = [split.group for split in (raw.train, raw.val, raw.test)]
    np.testing.assert_array_equal(np.concatenate(groups), np.arange(512))
    assert [len(g) for g in groups] == [384, 64, 64]
    for split in (raw.train, raw.val, raw.test):
        assert set(split.y) == set(range(64))


def test_statistics_are_those_of_the_training_images(raw):
    assert raw.train.x.dtype == np.float32
    assert raw.statistics["input_mean"].shape == raw.statistics["input_std"].shape == (3, 1, 1)
    scaled = (raw.train.x - raw.statistics["input_mean"]) / raw.statistics["input_std"]
    np.testing.assert_allclose(scaled.mean(axis=(0, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(axis=(0, 2, 3)), 1, atol=1e-3)


def test_synthesis_repeats_itself_and_a_longer_file_begins_like_a_shorter_one(tmp_path, raw):
    TASK.write_synthetic(tmp_path, {**TASK.recipes["laptop"], "samples": 128}, quiet)
    with np.load(tmp_path / "fractals.npz") as file:
        np.testing.assert_array_equal(TASK.encode(file["x"]), raw.train.x[:128])


def test_a_perfect_prediction_has_no_error(raw):
    assert TASK.metric.compute(np.eye(64)[raw.test.y], raw.test.y) == 0
    assert TASK.metric.compute(np.eye(64)[(raw.test.y + 1) % 64], raw.test.y) == 100


def test_encode_takes_bytes_and_fractions_and_nothing_else():
    image = np.full((2, *TASK.shape), 255, dtype=np.uint8)
    np.testing.assert_array_equal(TASK.encode(image), TASK.encode(np.ones((2, *TASK.shape))))
    for wrong in (image[0], image[:, :1], image.astype(str), np.full((1, *TASK.shape), np.nan)):
        with pytest.raises(RequestError):
            TASK.encode(wrong)


def _broken(path: Path, how: str) -> None:
    x, y = np.zeros((64, *TASK.shape), np.uint8), np.arange(64)
    match how:
        case "empty":
            path.write_bytes(b"")
        case "rubbish":
            path.write_bytes(b"rubbish" * 100)
        case "truncated":
            np.savez(path, x=x, y=y)
            path.write_bytes(path.read_bytes()[:5000])
        case "no labels":
            np.savez(path, x=x)
        case "pickled":
            np.savez(path, x=np.array([{}], dtype=object), y=y)
        case "wrong size":
            np.savez(path, x=x[..., 1:], y=y)
        case "a single number":
            np.savez(path, x=np.uint8(1), y=y)
        case "wrong type":
            np.savez(path, x=x.astype(np.float32), y=y)
        case "labels missing":
            np.savez(path, x=x, y=y[1:])
        case "labels out of range":
            np.savez(path, x=x, y=y + 1)


@pytest.mark.parametrize(
    "how",
    [
        "missing",
        "empty",
        "rubbish",
        "truncated",
        "no labels",
        "pickled",
        "wrong size",
        "a single number",
        "wrong type",
        "labels missing",
        "labels out of range",
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path, how):
    _broken(tmp_path / "fractals.npz", how)
    with pytest.raises(DataError, match=r"fractals\.npz.*expected") as caught:
        TASK.read(tmp_path, quiet)
    assert "\n" not in str(caught.value)
