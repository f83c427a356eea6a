from pathlib import Path

import numpy as np
import pytest

from pare.data import checks
from pare.errors import DataError, RequestError

PATH = Path("file.npy")


def test_error_is_the_share_of_wrong_classes():
    rng = np.random.default_rng(0)
    logits, y = rng.standard_normal((500, 7)), rng.integers(0, 7, 500)
    wrong = sum(int(row.argmax()) != target for row, target in zip(logits, y, strict=True))
    assert checks.error(logits, y) == pytest.approx(100 * wrong / 500, abs=1e-12)
    assert checks.ERROR.better(checks.error(np.eye(7)[y], y), checks.error(logits, y))


def test_every_sample_is_a_group_of_its_own():
    parts = [(np.zeros((n, 2)), np.zeros(n)) for n in (3, 1, 2)]
    raw = checks.raw(*parts)
    assert [split.group.tolist() for split in (raw.train, raw.val, raw.test)] == [[0, 1, 2], [3], [4, 5]]


@pytest.mark.parametrize(
    ("labels", "first"),
    [([1, 3, 2], 1), (np.array([0.0, 2.0, 1.0]), 0), (np.array([[0], [2], [1]], np.uint8), 0)],
)
def test_classes_count_from_0(labels, first):
    found = checks.classes(PATH, "label", labels, 3, 3, first)
    assert found.tolist() == [0, 2, 1]
    assert found.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 1], r"\(2,\)"),
        ([0, 1, 3], "0 to 3"),
        ([-1, 1, 2], "-1 to 2"),
        ([0, 1, 0.5], "whole numbers"),
        ([0, 1, np.nan], "whole numbers"),
        (["a", "b", "c"], "whole numbers"),
        (None, "whole numbers"),
    ],
)
def test_other_labels_are_refused(labels, expected):
    with pytest.raises(DataError, match=expected):
        checks.classes(PATH, "label", labels, 3, 3)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros((3, 5)), r"shape \(3, 5\)"),
        (np.zeros((1, 4)), "n ≥ 2"),
        (np.zeros(4), r"shape \(4,\)"),
        (np.zeros(()), r"shape \(\)"),
        (np.full((3, 4), np.inf), "finite"),
        (np.zeros((3, 4), complex), "complex"),
        (np.full((3, 4), None), "object"),
    ],
)
def test_other_numbers_are_refused(array, expected):
    with pytest.raises(DataError, match=expected) as error:
        checks.numbers(PATH, "x", array, (4,), 2)
    assert str(error.value).startswith("file.npy: x ")


def test_pixels_lie_in_the_unit_interval():
    assert checks.pixels(np.array([0, 51, 255], np.uint8)).tolist() == [0, np.float32(0.2), 1]
    assert checks.pixels(np.array([0, 0.5, 1])).dtype == np.float32
    with pytest.raises(RequestError, match="255"):
        checks.pixels(np.array([0.0, 255.0]))


def test_standardised_lines_have_mean_0_and_deviation_1():
    x = np.random.default_rng(0).normal(1e3, 5, (4, 2, 46))
    found = checks.standardised(x)
    np.testing.assert_allclose(found, (x - x.mean(2, keepdims=True)) / x.std(2, keepdims=True), rtol=1e-5, atol=1e-6)
    assert not checks.standardised(np.full((2, 46), 0.1)).any()


@pytest.mark.parametrize(
    ("array", "sound"),
    [
        (np.array([1, 2], np.uint16), True),
        (np.array([-1e37, 1e37]), True),
        (np.array([1e38]), False),
        (np.array([1e300]), False),
        (np.array([np.nan]), False),
        (np.array([-np.inf], np.float32), False),
        (np.array([1 + 0j]), False),
        (np.array(["a"]), False),
        (np.array([None]), False),
        (np.zeros((0, 3)), True),
    ],
)
def test_sound_numbers_can_be_computed_with_in_float32(array, sound):
    assert checks.is_sound(array) is sound


def test_files_and_samples_beyond_float32_are_refused():
    with pytest.raises(DataError, match="x is beyond"):
        checks.numbers(PATH, "x", np.full((2, 3), 1e300), (3,))
    with pytest.raises(RequestError, match="samples are beyond"):
        checks.batch(np.full((2, 3), 1e300), ((3,),), "samples (n, 3)")
