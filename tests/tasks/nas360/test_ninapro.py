import numpy as np
import pytest

from pare.data import checks
from pare.errors import DataError
from pare.tasks.nas360.ninapro import simulator
from pare.tasks.nas360.ninapro.task import TASK

X = np.random.default_rng(0).standard_normal((5, 52, 16))
Y = np.array([17, 0, 3, 3, 9])


def _quiet(done: int, total: int) -> None:
    pass


def _write(folder, **changes):
    arrays = {}
    for name in ("train", "val", "test"):
        arrays |= {f"ninapro_{name}": X, f"label_{name}": Y}
    for name, array in (arrays | changes).items():
        np.save(folder / f"{name}.npy", array)


@pytest.mark.parametrize("labels", [Y, Y.astype(float), Y[:, None]])
def test_windows_are_read_electrode_by_time(tmp_path, labels):
    _write(tmp_path, ninapro_val=X[::-1], label_val=labels[::-1])
    raw = TASK.read(tmp_path, _quiet)
    np.testing.assert_array_equal(raw.val.y, Y[::-1])
    np.testing.assert_allclose(raw.val.x[1, 0, 7], X[3, :, 7], rtol=1e-6)
    assert raw.statistics == {}


def test_metric_is_the_error():
    assert TASK.metric is checks.ERROR


def test_both_layouts_of_a_window_are_the_same():
    np.testing.assert_array_equal(TASK.encode(X), TASK.encode(X.transpose(0, 2, 1)[:, None]))


def test_gestures_differ_in_where_they_are_heard_and_not_in_sign():
    gestures = np.repeat(np.arange(18), 60)
    windows = simulator.simulate(gestures, np.random.default_rng(0))
    assert np.abs(windows.mean((1, 2))).max() < 0.2 * windows.std()
    loudness = np.log(windows.std(axis=1)).reshape(18, 60, 16)
    centres = loudness[:, :30].mean(axis=1)
    nearest = np.square(loudness[:, 30:, None] - centres).sum(axis=-1).argmin(axis=-1)
    assert (nearest == np.arange(18)[:, None]).mean() > 0.7
    assert loudness[0].mean() < loudness[1:].mean(), "an arm at rest is quiet"


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("ninapro_train", X.transpose(0, 2, 1), "(5, 16, 52)"),
        ("ninapro_val", X[:0], "(0, 52, 16)"),
        ("ninapro_test", np.full_like(X, np.nan), "finite"),
        ("label_train", Y[:4], "(4,)"),
        ("label_val", Y + 1, "1 to 18"),
        ("label_test", Y + 0.5, "whole numbers"),
        ("label_test", np.array({"a": 1}, dtype=object), "whole numbers"),
    ],
)
def test_malformed_file_is_one_line(tmp_path, name, array, expected):
    _write(tmp_path, **{name: array})
    with pytest.raises(DataError) as error:
        TASK.read(tmp_path, _quiet)
    assert str(tmp_path / f"{name}.npy") in str(error.value)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
