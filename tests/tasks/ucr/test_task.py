"""Sets of the UCR archive: how they are split, normalised and filled, and what is refused."""

import numpy as np
import pytest

from pare import tasks
from pare.data import store
from pare.errors import DataError, RequestError
from pare.tasks.ucr.sets import SETS, named
from tests.conftest import quietly
from tests.tasks.ucr import layout


def prepared(root, name, change=lambda *_: None):
    """Prepare a set whose training file `change` has changed."""
    of = named(name)
    raw = root / of.name / "raw"
    layout.write(raw, name)
    x, y = layout.series(of)[0]
    change(x, y)
    (raw / of.files[0]).write_text(layout.tsv(x, y))
    return store.prepare(tasks.get(of.name), root, "laptop", quietly)


def test_there_are_128_by_name_or_title():
    assert len(SETS) == 128
    assert sum(each.varies for each in SETS.values()) == 11
    assert tasks.get("ucr-ecg200") is tasks.get("ucr-ecg200")
    assert named("ECG200") is named("ucr-ecg200")
    with pytest.raises(RequestError, match="no 'ECG201': its 128 sets are called ucr-ecg200, "):
        named("ECG201")
    with pytest.raises(RequestError, match="no 'ucr-nothing'"):
        tasks.get("ucr-nothing")


def test_every_series_is_normalised_and_padded_to_whole_patches(tmp_path):
    data = prepared(tmp_path, "ECG5000")
    x = np.array(data.split("train").x)
    assert x.shape[1:] == (1, 141), "47 patches of 3"
    assert not x[:, :, 140].any()
    np.testing.assert_allclose(x[:, :, :140].mean(-1), 0, atol=1e-6)
    np.testing.assert_allclose(x[:, :, :140].std(-1), 1, atol=1e-6)


def test_validation_has_a_fifth_of_each_class_and_training_every_class(tmp_path):
    def rare(x, y):
        y[:] = np.repeat([1, 2, 3, 4, 5], [287, 200, 10, 2, 1])

    data = prepared(tmp_path, "ECG5000", rare)
    assert data.classes["val"] == (57, 40, 2, 1, 0)
    assert data.classes["train"] == (230, 160, 8, 1, 1)


def test_one_series_a_class_leaves_nothing_to_validate_on(tmp_path):
    with pytest.raises(DataError, match=r"every class has one training series.*leave ucr-fungi out"):
        prepared(tmp_path, "Fungi")


def test_missing_values_are_interpolated(tmp_path):
    def gaps(x, y):
        x[:, 10] = (x[:, 9] + x[:, 11]) / 2
        whole.append(x.copy())
        x[:, 10] = np.nan

    whole = []
    with_gaps = prepared(tmp_path / "a", "ECG200", gaps).split("train").x
    task = tasks.get("ucr-ecg200")
    expected = {row.tobytes() for row in task.encode(whole[0]).round(4)}
    assert all(row.round(4).tobytes() in expected for row in with_gaps)


def test_a_series_that_is_over_is_followed_by_zeros(tmp_path):
    def shorter(x, y):
        x[:, 200:] = np.nan

    x = np.array(prepared(tmp_path, "PickupGestureWiimoteZ", shorter).split("train").x)
    assert x.shape[1:] == (1, 368)
    assert not x[:, 0, 200:].any()
    np.testing.assert_allclose(x[:, 0, :200].std(-1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _, y: y.fill(1), "ECG200_TRAIN.tsv: 1 classes, ECG200 has 2"),
        (lambda x, _: x[3].fill(np.nan), r"ECG200_TRAIN.tsv: series 3 \(counted from 0\) has no value"),
        (lambda x, _: x[3].fill(np.inf), "ECG200_TRAIN.tsv holds infinite values"),
    ],
)
def test_what_is_not_the_official_set_is_told_in_a_line(tmp_path, change, words):
    of = named("ECG200")
    raw = tmp_path / of.name / "raw"
    layout.write(raw)
    for file, (x, y) in zip(of.files, layout.series(of), strict=True):
        change(x, y)
        (raw / file).write_text(layout.tsv(x, y))
    with pytest.raises(DataError, match=words) as error:
        store.prepare(tasks.get(of.name), tmp_path, "laptop", quietly)
    assert "\n" not in str(error.value)


def test_a_model_takes_raw_series():
    task, (x, _) = tasks.get("ucr-ecg200"), layout.series(named("ECG200"))[0]
    x[0, 5] = np.nan
    encoded = task.encode(x[:4])
    assert encoded.shape == (4, 1, 96)
    assert np.array_equal(encoded, task.encode(x[:4, None]))
    np.testing.assert_allclose(encoded, task.encode(7 * x[:4] + 3), atol=1e-5)
