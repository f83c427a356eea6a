import os

import numpy as np
import pytest

from pare.data import checks
from pare.errors import DataError
from pare.tasks.nas360.satellite import simulator
from pare.tasks.nas360.satellite.task import TASK

DATA = np.random.default_rng(0).uniform(0, 1, (20, 46))
LABEL = np.arange(20) % 24 + 1


def _quiet(done: int, total: int) -> None:
    pass


def _write(folder, train, test):
    for name, content in zip(TASK.files, (train, test), strict=True):
        np.save(folder / name, content, allow_pickle=True)


def _content(data=DATA, label=LABEL):
    return {"data": data, "label": label}


def test_the_last_ninth_of_train_is_for_validation(tmp_path):
    _write(tmp_path, _content(), _content(DATA[:3] * 2, LABEL[:3]))
    raw = TASK.read(tmp_path, _quiet)
    expected = ((DATA - DATA.mean(1, keepdims=True)) / DATA.std(1, keepdims=True))[:, None]
    for split, part in ((raw.train, slice(18)), (raw.val, slice(18, None)), (raw.test, slice(3))):
        np.testing.assert_allclose(split.x, expected[part], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(split.y, LABEL[part] - 1)
    assert 900_000 - 900_000 // 9 == 800_000


def test_metric_is_the_error():
    assert TASK.metric is checks.ERROR


def test_encoded_series_are_standardised():
    for raw in (DATA, DATA[:, None]):
        encoded = TASK.encode(raw)
        np.testing.assert_allclose(encoded.mean(2), 0, atol=1e-6)
        np.testing.assert_allclose(encoded.std(2), 1, atol=1e-5)


def test_crops_have_their_seasons():
    crops = np.repeat(np.arange(24), 40)
    series = simulator.simulate(crops, np.random.default_rng(0))
    assert -0.1 <= series.min() < series.max() <= 1
    series = checks.standardised(series).reshape(24, 40, 46)
    centres = series[:, :20].mean(axis=1)
    nearest = np.square(series[:, 20:, None] - centres).sum(axis=-1).argmin(axis=-1)
    assert (nearest == np.arange(24)[:, None]).mean() > 0.5


class _Harm:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_calls_are_refused_unexecuted(tmp_path):
    mark = tmp_path / "mark"
    _write(tmp_path, {"data": _Harm(str(mark))}, _content())
    with pytest.raises(DataError, match="mkdir"):
        TASK.read(tmp_path, _quiet)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (DATA, "'data' and 'label'"),
        (np.array([{"data": DATA}], dtype=object), "'data' and 'label'"),
        ({"data": DATA}, "'data' and 'label'"),
        (_content(DATA[:, :45]), "data has shape (20, 45)"),
        (_content(DATA[:8], LABEL[:8]), "n ≥ 9"),
        (_content(DATA * np.nan), "finite"),
        (_content(label=LABEL[:19]), "label is"),
        (_content(label=LABEL - 1), "0 to 19"),
        (_content(label=LABEL + 5), "6 to 25"),
    ],
)
def test_malformed_file_is_one_line(tmp_path, content, expected):
    _write(tmp_path, content, _content())
    with pytest.raises(DataError) as error:
        TASK.read(tmp_path, _quiet)
    assert str(tmp_path / TASK.files[0]) in str(error.value)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
