"""Arrays of one's own: options that name them, what is not read, what is refused; and data stays what it was."""

import io
import zipfile

import numpy as np
import psutil
import pytest

from pare import tasks
from pare.data import store
from pare.errors import DataError, RequestError
from pare.tasks.own.importer import bring
from pare.tasks.own.readers import read


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(tasks, "_own", [])


def _samples(count=60, shape=(12,), classes=3):
    rng = np.random.default_rng(0)
    return {"x": rng.standard_normal((count, *shape)), "y": np.arange(count) % classes}


def _npz(folder, **arrays):
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def _npy(folder, **arrays):
    folder = folder / "arrays"
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def _prepared(task, root):
    return store.prepare(task, root, "laptop", lambda *_: None)


def test_two_sweeps_of_one_name_keep_the_data_that_each_began_with(tmp_path):
    first = bring(tmp_path, "own", _npz(tmp_path, **_samples()))
    second = bring(tmp_path, "own", _npz(tmp_path, **(_samples() | {"x": np.arange(720.0).reshape(60, 12)})))
    data = [_prepared(task, tmp_path) for task in (first, second)]
    assert data[0].key != data[1].key
    means = [each.split("train").x.mean() for each in data]
    assert abs(means[0]) < 1 < 300 < means[1]
    assert bring(tmp_path, "own", _npz(tmp_path, **_samples())).files == first.files


def test_data_has_the_key_that_version_0_1_gave_it(tmp_path):
    task = bring(tmp_path, "own", _npz(tmp_path, **_samples()))
    old = tmp_path / "before" / "own" / "raw"
    old.mkdir(parents=True)
    (tmp_path / "own" / "raw" / task.files[0]).rename(old / "data.npz")
    before = type(task)(type(task.specification)(**(vars(task.specification) | {"data": ""})))
    key = store.origin(before, tmp_path / "before", "laptop").key
    task = bring(tmp_path, "own", _npz(tmp_path, **_samples()))
    assert store.origin(task, tmp_path, "laptop").key == key


def test_equal_arrays_of_another_kind_are_other_data(tmp_path):
    path = _npz(tmp_path, x=_samples()["x"], y=np.random.default_rng(1).random((60, 12)))
    dense, numbers = (_prepared(bring(tmp_path, "own", path, kind), tmp_path) for kind in ("dense", "regression"))
    assert dense.key != numbers.key
    assert dense.statistics["output_mean"].size == 1
    assert numbers.statistics["output_mean"].size == 12


@pytest.mark.parametrize("save", [_npz, _npy])
def test_options_name_arrays(tmp_path, save):
    arrays = _samples() | {"patient": np.arange(60) // 4, "age": np.linspace(20, 90, 60)}
    path = save(tmp_path, **arrays)
    samples = read(path, "age", "patient")
    np.testing.assert_array_equal(samples.y, arrays["age"])
    np.testing.assert_array_equal(samples.group, arrays["patient"])
    assert samples.left_out == ("array 'y': not read",)
    assert set(read(path).left_out) == {"array 'age': not read", "array 'patient': not read"}
    for options, words in (
        ({"label": "weight"}, "--label is 'weight'"),
        ({"group": "clinic"}, "--group is 'clinic'"),
        ({"drop": ("age",)}, "--drop is age: leave it out"),
    ):
        with pytest.raises(RequestError, match=words):
            read(path, **options)


@pytest.mark.parametrize("name", ["groups", "Group", "splits", "Split"])
def test_arrays_called_nearly_like_one_that_counts_are_refused(tmp_path, name):
    with pytest.raises(DataError, match=f"holds '{name}', which is not read"):
        read(_npz(tmp_path, **_samples(), **{name: np.arange(60)}))


def test_a_target_in_a_column_is_a_target_a_row(tmp_path):
    task = bring(tmp_path, "own", _npz(tmp_path, **(_samples() | {"y": np.arange(60)[:, None] % 3})))
    assert (task.kind, task.output_shape) == ("classification", (3,))


@pytest.mark.parametrize(
    ("shape", "options", "taken"),
    [
        ((16, 16, 13), {}, (13, 16, 16)),  # bands of a satellite
        ((13, 16, 16), {}, (13, 16, 16)),
        ((3, 9, 3), {"channels": "first"}, (3, 9, 3)),
        ((3, 9, 3), {"channels": "last"}, (3, 3, 9)),
        ((40, 6), {"channels": "last"}, (6, 40)),
        ((40, 6), {}, (40, 6)),
    ],
)
def test_channels_are_where_they_are_said_to_be(tmp_path, shape, options, taken):
    arrays = _samples(shape=shape)
    task = bring(tmp_path, "own", _npz(tmp_path, **arrays), **options)
    assert task.shape == taken
    np.testing.assert_array_equal(task.encode(arrays["x"][:1])[0, 0], np.float32(_first(arrays["x"][0], taken)))


def _first(sample, taken):
    return sample[0] if sample.shape == taken else sample[..., 0]


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((3, 9, 3), {}, "may be first or last: give --channels"),
        ((12,), {"channels": "last"}, "no axis of channels"),
        ((8, 8), {"channels": "first"}, "no axis of channels"),
    ],
)
def test_channels_that_cannot_be_told_are_asked_for(tmp_path, shape, options, words):
    with pytest.raises(RequestError, match=words):
        bring(tmp_path, "own", _npz(tmp_path, **_samples(shape=shape)), **options)


def _changed(name, value, at=5):
    arrays = _samples()
    arrays[name] = arrays[name].astype(float)
    arrays[name][at] = value
    return arrays


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (_changed("x", 1e300), "x is beyond ±1e+37 in row 5"),
        (_samples() | {"y": np.linspace(0, 1e300, 60)}, "y is beyond ±1e+37 in rows"),
        (_samples() | {"y": 1e9 + np.linspace(0, 1, 60)}, "y runs from"),
        (_samples() | {"x": 1e12 + np.random.default_rng(0).random((60, 4))}, "float32 cannot tell apart"),
        (_samples() | {"x": 10**18 + np.arange(720).reshape(60, 12)}, "float32 cannot tell apart"),
        (_samples(shape=(0,)), "x is float64 (60, 0)"),
        (_samples(shape=(3, 0)), "x is float64 (60, 3, 0)"),
        (_samples(count=0), "holds no sample"),
        (_samples() | {"x": np.zeros(())}, "holds no sample"),
        (_samples() | {"y": np.zeros((60, 0))}, "y has shape (60, 0)"),
        (_samples() | {"y": np.array(3)}, "y has no axis"),
        (_samples() | {"group": np.zeros((60, 2))}, "group is float64 (60, 2)"),
        (_samples() | {"group": np.full(60, np.nan)}, "none empty"),
        (_samples() | {"group": np.arange(60) % 2}, "has 2 groups: give at least 3"),
        (_samples() | {"x": np.ones((60, 12))}, "has 1 different samples"),
        (_samples() | {"group": np.arange(60) % 3}, "too few groups of each class"),
    ],
)
def test_arrays_that_cannot_be_samples_are_told_in_a_line(tmp_path, arrays, words):
    with pytest.raises(RequestError) as error:
        bring(tmp_path / "root", "own", _npz(tmp_path, **arrays))
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "root").exists()


def test_labels_in_bytes_are_texts(tmp_path):
    y = np.array([b"gut", "böse".encode()] * 30)
    assert bring(tmp_path, "own", _npz(tmp_path, **(_samples() | {"y": y}))).labels == ("böse", "gut")


def test_values_beyond_float32_are_refused_by_a_model_too(tmp_path):
    task = bring(tmp_path, "own", _npz(tmp_path, **_samples()))
    with pytest.raises(RequestError, match="beyond ±1e"):
        task.encode(np.full((1, 12), 1e300))


def test_few_groups_a_class_still_make_three_splits(tmp_path):
    arrays = _samples(count=80, classes=2) | {"group": np.arange(80) // 20}
    arrays["y"] = np.arange(80) // 20 % 2
    counts = _prepared(bring(tmp_path, "own", _npz(tmp_path, **arrays)), tmp_path).counts
    assert counts == {"train": 40, "val": 20, "test": 20}


def test_an_npy_under_another_suffix_is_told(tmp_path):
    with (tmp_path / "data.npz").open("wb") as file:
        np.save(file, np.zeros((3, 2)))
    with pytest.raises(DataError, match="holds one array without a name"):
        read(tmp_path / "data.npz")


def test_an_archive_larger_than_memory_is_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        header = io.BytesIO()
        np.lib.format.write_array(header, np.zeros((2**16, 64)))
        archive.writestr("x.npy", header.getvalue())
    assert path.stat().st_size < 2**17
    free = psutil.virtual_memory()._replace(available=2**24)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(DataError, match="more than the memory that is free"):
        read(path)


def test_what_was_read_is_told_in_a_table(tmp_path):
    arrays = _samples(shape=(8, 9, 3)) | {"y": np.array(["sick"] * 20 + ["well"] * 40), "note": np.zeros(3)}
    told = dict(bring(tmp_path, "own", _npz(tmp_path, **arrays)).summary)
    assert told["samples"] == "60 in 60 different"
    assert told["input"].startswith("images of 3 channels, last in x, 8×9, float64 from -")
    assert told["target"] == "classification (told from y; --kind says otherwise): 2 classes, sick 20, well 40"
    assert told["missing values"] == "none"
    assert told["splits"] == "train 42, val 9, test 9, carved"
    assert told["left out"] == "array 'note': not read"


def test_a_class_that_a_split_lacks_is_told(tmp_path):
    split = np.array(["train"] * 40 + ["val"] * 10 + ["test"] * 10)
    y = np.where(split == "test", 0, np.arange(60) % 2)
    told = dict(bring(tmp_path, "own", _npz(tmp_path, **(_samples() | {"y": y, "split": split}))).summary)
    assert told["splits"].endswith("as given; test has no '1'")
