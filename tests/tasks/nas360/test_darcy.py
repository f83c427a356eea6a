from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat

from pare.config import Run
from pare.data import store
from pare.data.task import SPLITS
from pare.errors import DataError, RequestError
from pare.tasks.nas360.darcy import task
from pare.tasks.nas360.darcy.task import TASK

RECIPE = {"train": 20, "test": 6, "resolution": 85, "seed": 0}


def _quiet(done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("darcy")
    TASK.write_synthetic(folder, RECIPE, _quiet)
    return folder


@pytest.fixture(scope="module")
def raw(folder):
    return TASK.read(folder, _quiet)


def _arrays(folder, number=0):
    content = loadmat(folder / TASK.files[number])
    return content["coeff"], content["sol"]


def _write(folder, train, test):
    for name, (coeff, sol) in zip(TASK.files, (train, test), strict=True):
        savemat(folder / name, {"coeff": coeff, "sol": sol})


def test_generation_reports_its_progress(tmp_path):
    seen: list[tuple[int, int]] = []
    TASK.write_synthetic(tmp_path, RECIPE | {"train": 3, "test": 2}, lambda *report: seen.append(report))
    assert seen == [(done, 5) for done in range(1, 6)]


def test_resolution_must_contain_the_grid(tmp_path):
    with pytest.raises(RequestError, match="resolution is 100"):
        TASK.write_synthetic(tmp_path, RECIPE | {"resolution": 100}, _quiet)


def test_prepared_counts_and_provenance(tmp_path, monkeypatch):
    monkeypatch.setattr(type(TASK), "recipes", {"laptop": RECIPE})
    prepared = store.prepare(TASK, tmp_path, "laptop", _quiet)
    assert prepared.counts == {"train": 18, "val": 2, "test": 6}
    assert prepared.provenance == "generated"


def test_values_are_the_files(folder, raw):
    coeff, sol = (array.astype(np.float32) for array in _arrays(folder))
    np.testing.assert_array_equal(np.concatenate([raw.train.x, raw.val.x])[:, 0], coeff)
    np.testing.assert_array_equal(np.concatenate([raw.train.y, raw.val.y]), sol)
    test_coeff, test_sol = (array.astype(np.float32) for array in _arrays(folder, 1))
    np.testing.assert_array_equal(raw.test.x[:, 0], test_coeff)
    np.testing.assert_array_equal(raw.test.y, test_sol)


def test_no_field_is_in_two_splits(raw):
    groups = np.concatenate([getattr(raw, name).group for name in SPLITS])
    assert len(np.unique(groups)) == len(groups) == 26
    fields = np.concatenate([getattr(raw, name).x[:, 0].reshape(-1, 85 * 85) for name in SPLITS])
    assert len(np.unique(fields, axis=0)) == 26


def test_types_are_the_interfaces(raw):
    for split in (raw.train, raw.val, raw.test):
        assert split.x.shape == (len(split), *TASK.shape)
        assert split.y.shape == (len(split), *TASK.output_shape)
        assert (split.x.dtype, split.y.dtype, split.group.dtype) == (np.float32, np.float32, np.int64)
    assert {name: array.shape for name, array in raw.statistics.items()} == {
        "input_mean": (3, 85, 85),
        "input_std": (3, 85, 85),
        "output_mean": (85, 85),
        "output_std": (85, 85),
    }


def test_only_the_published_counts_are_read(folder, monkeypatch):
    monkeypatch.setattr(task, "TRAIN", 10)
    monkeypatch.setattr(task, "TEST", 4)
    raw = TASK.read(folder, _quiet)
    assert [len(getattr(raw, name)) for name in SPLITS] == [9, 1, 4]


def test_statistics_are_of_the_training_split_alone(folder, raw, tmp_path):
    coeff, sol = _arrays(folder)
    np.testing.assert_allclose(raw.statistics["input_mean"][0], coeff[:18].mean(0), rtol=1e-6)
    np.testing.assert_allclose(raw.statistics["output_std"], sol[:18].std(0, ddof=1) + 1e-5, rtol=1e-6)
    np.testing.assert_array_equal(raw.statistics["input_mean"][1:], 0)
    np.testing.assert_array_equal(raw.statistics["input_std"][1:], 1)
    coeff[18:] *= 5
    sol[18:] *= 5
    test_coeff, test_sol = _arrays(folder, 1)
    _write(tmp_path, (coeff, sol), (test_coeff * 5, test_sol * 5))
    changed = TASK.read(tmp_path, _quiet).statistics
    for name, array in raw.statistics.items():
        np.testing.assert_array_equal(array, changed[name])


def test_finer_files_are_subsampled(tmp_path):
    fine = np.random.default_rng(0).uniform(1, 2, (4, 169, 169))
    _write(tmp_path, (fine, fine + 1), (fine + 2, fine + 3))
    raw = TASK.read(tmp_path, _quiet)
    np.testing.assert_array_equal(raw.train.x[:, 0], fine[:3, ::2, ::2].astype(np.float32))
    np.testing.assert_array_equal(raw.test.y, (fine + 3)[:, ::2, ::2].astype(np.float32))


@pytest.mark.parametrize("reversed_axes", [True, False])
def test_both_matlab_formats_agree(folder, raw, tmp_path, reversed_axes):
    for number, name in enumerate(TASK.files):
        with h5py.File(tmp_path / name, "w", userblock_size=512) as file:
            for variable, array in zip(("coeff", "sol"), _arrays(folder, number), strict=True):
                file[variable] = array.T if reversed_axes else array
    again = TASK.read(tmp_path, _quiet)
    for split in SPLITS:
        np.testing.assert_array_equal(getattr(again, split).x, getattr(raw, split).x)
        np.testing.assert_array_equal(getattr(again, split).y, getattr(raw, split).y)


def test_perfect_prediction_scores_the_optimum(raw):
    assert TASK.metric.compute(raw.test.y, raw.test.y) == 0
    assert TASK.metric.better(0.0, 0.1)


def test_metric_is_the_mean_of_the_criterion():
    p, y = np.random.default_rng(0).standard_normal((2, 7, 85, 85))
    expected = np.mean([np.sqrt(((p[i] - y[i]) ** 2).sum() / (y[i] ** 2).sum()) for i in range(7)])
    assert TASK.metric.compute(p, y) == pytest.approx(expected, rel=1e-12)
    assert float(TASK.criterion(torch.tensor(p), torch.tensor(y)).mean()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("side", [85, 169])
def test_encoded_fields_carry_their_coordinates(side):
    field = np.random.default_rng(0).uniform(3, 12, (2, side, side))
    encoded = TASK.encode(field)
    assert encoded.shape == (2, 3, 85, 85)
    assert encoded.dtype == np.float32
    step = (side - 1) // 84
    np.testing.assert_array_equal(encoded[:, 0], field[:, ::step, ::step].astype(np.float32))
    assert encoded[0, 1:, 84, 0].tolist() == [1, 0]
    assert encoded[1, 1:, 0, 42].tolist() == [0, 0.5]


@pytest.mark.parametrize(
    "array", [np.zeros((85, 85)), np.zeros((1, 85, 169)), np.zeros((1, 84, 84)), np.full((1, 85, 85), np.inf)]
)
def test_other_arrays_are_not_fields(array):
    with pytest.raises(RequestError, match="coefficients"):
        TASK.encode(array)


@pytest.mark.parametrize("preset", ["paper", "laptop"])
def test_presets_are_settings_of_a_run(preset):
    values = dict(TASK.paper) | (dict(TASK.laptop) if preset == "laptop" else {})
    run = Run(task="darcy", data="", body="", source="", source_data="").replace(values)
    assert run.flat().items() >= values.items()


FIELDS = np.ones((4, 85, 85))


def _v5(**arrays):
    return lambda path: savemat(path, arrays)


def _v73(**arrays):
    def write(path):
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array

    return write


def _half(write):
    def cut(path):
        write(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return cut


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (Path.exists, "no such file"),
        (lambda path: path.write_bytes(b""), "not a whole MATLAB file"),
        (lambda path: path.write_bytes(b"coeff,sol\n" * 100), "not a whole MATLAB file"),
        (_half(_v5(coeff=FIELDS, sol=FIELDS)), "not a whole MATLAB file"),
        (_half(_v73(coeff=FIELDS, sol=FIELDS)), "not a whole MATLAB file"),
        (_v5(coeff=FIELDS, u=FIELDS), "'sol'"),
        (_v73(coeff=FIELDS, u=FIELDS), "'sol'"),
        (_v5(coeff=FIELDS, sol=FIELDS[0]), "sol has shape"),
        (_v5(coeff=FIELDS[:, :84], sol=FIELDS), "coeff has shape"),
        (_v5(coeff=np.ones((4, 100, 100)), sol=FIELDS), "coeff has shape"),
        (_v5(coeff=FIELDS[:0], sol=FIELDS), "coeff has shape"),
        (_v5(coeff=FIELDS, sol=FIELDS * np.nan), "finite"),
        (_v5(coeff=FIELDS * 1j, sol=FIELDS), "coeff of type"),
        (_v5(coeff=FIELDS, sol=FIELDS[:3]), "4 fields in coeff, 3 in sol"),
    ],
)
def test_malformed_file_is_one_line(tmp_path, number, write, expected):
    _v5(coeff=FIELDS, sol=FIELDS)(tmp_path / TASK.files[1 - number])
    path = tmp_path / TASK.files[number]
    write(path)
    with pytest.raises(DataError) as error:
        TASK.read(tmp_path, _quiet)
    assert str(path) in str(error.value)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_too_few_fields_to_validate_are_refused(tmp_path):
    _write(tmp_path, (FIELDS[:2], FIELDS[:2]), (FIELDS, FIELDS))
    with pytest.raises(DataError, match="3 or more"):
        TASK.read(tmp_path, _quiet)
