import pickle

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from pare.config import Run
from pare.data import store
from pare.data.task import SPLITS
from pare.errors import DataError, RequestError
from pare.tasks.nas360.ecg.task import TASK

RECIPE = {"records": 80, "seconds": 12.0, "seed": 0}


def _quiet(done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ecg")
    TASK.write_synthetic(folder, RECIPE, _quiet)
    return folder


@pytest.fixture(scope="module")
def raw(folder):
    return TASK.read(folder, _quiet)


def _content(folder):
    return pickle.loads((folder / TASK.files[0]).read_bytes())


def _write(folder, data, label):
    (folder / TASK.files[0]).write_bytes(pickle.dumps({"data": data, "label": label}))


def test_records_have_the_challenges_shares_and_lengths(folder):
    content = _content(folder)
    for symbol, share in zip("NAO~", (5076, 758, 2415, 279), strict=True):
        assert abs(np.sum(content["label"] == symbol) - 80 * share / 8528) < 1
    assert len(content["data"]) == 80
    assert all(9 * 300 <= len(record) <= 61 * 300 for record in content["data"])


def test_same_recipe_same_records(folder, tmp_path):
    TASK.write_synthetic(tmp_path, RECIPE, _quiet)
    assert (tmp_path / TASK.files[0]).read_bytes() == (folder / TASK.files[0]).read_bytes()
    TASK.write_synthetic(tmp_path, RECIPE | {"seed": 1}, _quiet)
    assert (tmp_path / TASK.files[0]).read_bytes() != (folder / TASK.files[0]).read_bytes()


def test_laptop_recipe_keeps_its_promise(tmp_path):
    prepared = store.prepare(TASK, tmp_path, "laptop", _quiet)
    assert prepared.provenance == "simulated"
    assert 5000 <= prepared.counts["train"] <= 6000
    for name in SPLITS:
        split = prepared.split(name)
        assert all(len(np.unique(split.group[split.y == number])) >= 2 for number in range(4))


def test_windows_are_cut_as_published(folder, raw):
    content = _content(folder)
    train, held_out = train_test_split(range(80), test_size=0.2, random_state=0)
    val, test = train_test_split(held_out, test_size=0.5, random_state=0)
    for split, records in ((raw.train, train), (raw.val, val), (raw.test, test)):
        x, y, group = [], [], []
        for index in records:
            record = content["data"][index].astype(float)
            record = (record - np.mean(record)) / np.std(record)
            symbol = content["label"][index]
            for start in range(0, len(record) - 1000, {"N": 500, "A": 83, "O": 250, "~": 25}[symbol]):
                x.append(record[start : start + 1000])
                y.append("NAO~".index(symbol))
                group.append(index)
        np.testing.assert_allclose(split.x[:, 0], np.array(x), rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(split.y, y)
        np.testing.assert_array_equal(split.group, group)


def test_no_record_is_in_two_splits(raw):
    groups = [set(split.group.tolist()) for split in (raw.train, raw.val, raw.test)]
    assert len(set.union(*groups)) == sum(map(len, groups))


def test_types_are_the_interfaces(raw):
    for split in (raw.train, raw.val, raw.test):
        assert split.x.shape == (len(split), *TASK.shape)
        assert (split.x.dtype, split.y.dtype, split.group.dtype) == (np.float32, np.int64, np.int64)


def test_perfect_logits_score_the_optimum(raw):
    assert TASK.metric.compute(np.eye(4)[raw.train.y], raw.train.y) == 0
    assert TASK.metric.better(0.0, 0.1)


def test_metric_is_macro_f1_over_all_windows():
    rng = np.random.default_rng(0)
    logits, y = rng.standard_normal((500, 4)), rng.choice(4, 500, p=[0.6, 0.1, 0.2, 0.1])
    chosen, f1 = logits.argmax(1), []
    for number in range(4):
        hits = np.sum((chosen == number) & (y == number))
        f1.append(2 * hits / (np.sum(chosen == number) + np.sum(y == number)))
    assert TASK.metric.compute(logits, y) == pytest.approx(1 - np.mean(f1), abs=1e-12)


def test_flat_record_becomes_zero(folder, tmp_path):
    content = _content(folder)
    content["data"][:] = [np.full(len(record), 7, np.int16) for record in content["data"]]
    _write(tmp_path, content["data"], content["label"])
    assert not TASK.read(tmp_path, _quiet).train.x.any()


@pytest.mark.parametrize("shape", [(3, 1000), (3, 1, 1000)])
def test_encoded_windows_are_standardised(shape):
    encoded = TASK.encode(np.random.default_rng(0).integers(-500, 1500, shape).astype(np.int16))
    assert encoded.shape == (3, 1, 1000)
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded.mean(2), 0, atol=1e-6)
    np.testing.assert_allclose(encoded.std(2), 1, atol=1e-5)


@pytest.mark.parametrize(
    "raw",
    [np.zeros(1000), np.zeros((2, 999)), np.zeros((2, 2, 1000)), np.full((2, 1000), np.nan), np.full((1, 1000), "a")],
)
def test_other_arrays_are_not_windows(raw):
    with pytest.raises(RequestError, match=r"windows|finite"):
        TASK.encode(raw)


@pytest.mark.parametrize("preset", ["paper", "laptop"])
def test_presets_are_settings_of_a_run(preset):
    values = dict(TASK.paper) | (dict(TASK.laptop) if preset == "laptop" else {})
    run = Run(task="ecg", data="", body="", source="", source_data="").replace(values)
    assert run.flat().items() >= values.items()


def test_measurements_cannot_be_generated(tmp_path):
    with pytest.raises(DataError, match=r"challenge2017\.pkl"):
        store.prepare(TASK, tmp_path, "paper", _quiet)


def _records(n=20, samples=3000):
    return [np.sin(np.arange(samples) / 9 + i) for i in range(n)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([1, 2], "'data' and 'label'"),
        ({"data": _records()}, "'data' and 'label'"),
        ({"data": 3, "label": 4}, "sequences"),
        ({"data": _records(), "label": ["N"] * 19}, "20 records with 19 labels"),
        ({"data": [], "label": []}, "0 records"),
        ({"data": _records(9), "label": ["N"] * 9}, "10 or more"),
        ({"data": _records(), "label": ["N"] * 19 + ["B"]}, "'B'"),
        ({"data": [*_records(19), np.zeros((2, 2000))], "label": ["N"] * 20}, "record 19"),
        ({"data": [*_records(19), np.full(2000, np.inf)], "label": ["N"] * 20}, "record 19"),
        ({"data": [*_records(19), np.array(["a"])], "label": ["N"] * 20}, "record 19"),
        ({"data": _records(samples=1000), "label": ["N"] * 20}, "longer than a window"),
    ],
)
def test_malformed_file_is_one_line(tmp_path, content, expected):
    path = tmp_path / TASK.files[0]
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(DataError) as error:
        TASK.read(tmp_path, _quiet)
    assert str(path) in str(error.value)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
