import datetime
import gzip
import io
import os
import pickle
import struct
from collections import OrderedDict
from contextlib import suppress

import numpy as np
import pytest

from pare.data.official.pickles import dump_arrays, load_arrays, load_npy
from pare.errors import DataError


def _content():
    records = np.empty(3, dtype=object)
    records[:] = [np.arange(n, dtype=np.int16) for n in (2, 5, 0)]
    return {
        "data": records,
        "list": [np.eye(3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(4, dtype=">f4")],
        "label": np.array(["N", "~"]),
        "names": np.array([b"ab", b"c"]),
        "scalars": (np.float32(1.5), np.int64(-3), np.bool_(True), 2 + 1j),
        "set": {1, 2},
        "ordered": OrderedDict(a=b"\xff\x00", b=b""),
    }


def _assert_same(actual, expected):
    if isinstance(expected, np.ndarray):
        assert actual.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
        assert actual.shape == expected.shape
        if expected.dtype == object:
            for one, other in zip(actual, expected, strict=True):
                _assert_same(one, other)
        else:
            np.testing.assert_array_equal(actual, expected)
    elif isinstance(expected, dict):
        assert list(actual) == list(expected)
        for key in expected:
            _assert_same(actual[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert type(actual) is type(expected)
        for one, other in zip(actual, expected, strict=True):
            _assert_same(one, other)
    else:
        assert type(actual) is type(expected)
        assert actual == expected


def _refusal(path, data):
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        load_arrays(path)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_and_containers_come_back(tmp_path, protocol):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(_content(), protocol))
    _assert_same(load_arrays(path), _content())


@pytest.mark.parametrize("protocol", [2, 3])
def test_pickles_of_numpy_1_come_back(tmp_path, protocol):
    data = pickle.dumps(_content(), protocol)
    assert b"numpy._core" in data  # so that the next line makes what numpy 1 would have written
    path = tmp_path / "a.pkl"
    path.write_bytes(data.replace(b"numpy._core", b"numpy.core"))
    _assert_same(load_arrays(path), _content())


class _Calls:
    """Pickles as a call."""

    def __init__(self, function, *arguments, state=None):
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_calls_are_refused_unexecuted(tmp_path, protocol):
    mark = tmp_path / "mark"
    message = _refusal(tmp_path / "a.pkl", pickle.dumps({"data": _Calls(os.mkdir, str(mark))}, protocol))
    assert "mkdir" in message
    assert not mark.exists()


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        (_Calls(eval, "1"), "eval"),
        (_Calls(getattr, "a", "upper"), "getattr"),
        (_Calls(np.load, "a.npy"), "numpy.load"),
        (datetime.date(2000, 1, 1), "datetime.date"),
    ],
)
def test_the_forbidden_global_is_named(tmp_path, harm, name):
    assert name in _refusal(tmp_path / "a.pkl", pickle.dumps(harm))


@pytest.mark.parametrize(
    "forgery",
    [
        # Each makes numpy's own unpickling take bytes for pointers to objects.
        _Calls(np.ndarray, (1,), np.dtype(object), b"A" * 8),
        _Calls(np.empty(0).__reduce__()[0], np.ndarray, (0,), b"b", state=(1, (1,), np.dtype(object), False, b"A" * 8)),
        _Calls(np.empty(1).__reduce_ex__(5)[0], b"A" * 8, np.dtype(object), (1,), "C"),
        _Calls(np.float64(0).__reduce__()[0], np.dtype(object), b"A" * 8),
        np.zeros(2, dtype=[("number", "f8"), ("thing", "O")]),
    ],
)
def test_forged_arrays_are_refused(tmp_path, forgery):
    _refusal(tmp_path / "a.pkl", pickle.dumps(forgery))


def test_forged_flags_of_a_dtype_are_not_believed(tmp_path):
    objects = _Calls(np.dtype, "O", False, True, state=(3, "|", None, None, None, -1, -1, 0))
    forgery = _Calls(np.empty(0).__reduce__()[0], np.ndarray, (0,), b"b", state=(1, (1,), objects, False, b"A" * 8))
    _refusal(tmp_path / "a.pkl", pickle.dumps(forgery))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_truncated_anywhere_is_one_line(tmp_path, protocol):
    data = pickle.dumps({"data": [np.arange(3)], "label": np.array(["N"])}, protocol)
    for end in range(len(data)):
        _refusal(tmp_path / "a.pkl", data[:end])


def test_changed_bytes_load_or_are_refused(tmp_path):
    data = pickle.dumps({"data": _content()["data"], "label": np.array(["N", "A"])})
    rng = np.random.default_rng(0)
    path = tmp_path / "a.pkl"
    refused = 0
    for _ in range(1000):
        changed = bytearray(data)
        for position in rng.integers(0, len(data), 2):
            changed[position] = rng.integers(256)
        path.write_bytes(changed)
        with suppress(DataError):
            load_arrays(path)
            refused -= 1
        refused += 1
    assert refused > 300


def test_other_files_are_refused(tmp_path):
    _refusal(tmp_path / "a.pkl", b"record,label\n1,N\n")
    _refusal(tmp_path / "a.pkl", b"\x80\x04\x95" + struct.pack("<Q", 1 << 40))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        load_arrays(tmp_path / "absent.pkl")


def test_compressed_pickles_come_back(tmp_path):
    path = tmp_path / "a.gz"
    with gzip.open(path, "wb") as file:
        dump_arrays(file, _content())
    _assert_same(load_arrays(path, gzip.open), _content())
    whole = path.read_bytes()
    for damaged in (whole[:-9], whole[: len(whole) // 2], b"", pickle.dumps(_content())):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"a\.gz is not a whole pickle"):
            load_arrays(path, gzip.open)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
        np.array(_content(), dtype=object),
        _content()["data"],
    ],
)
def test_npy_files_come_back(tmp_path, array):
    path = tmp_path / "a.npy"
    np.save(path, array, allow_pickle=True)
    found = load_npy(path)
    assert found.shape == array.shape
    _assert_same(found.item() if array.shape == () else found, array.item() if array.shape == () else array)


def _npy_refusal(path, data):
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        load_npy(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def _npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def test_calls_in_npy_files_are_refused_unexecuted(tmp_path):
    mark = tmp_path / "mark"
    harmful = np.array({"data": _Calls(os.mkdir, str(mark))}, dtype=object)
    assert "mkdir" in _npy_refusal(tmp_path / "a.npy", _npy(harmful))
    assert not mark.exists()


def test_truncated_npy_files_are_one_line(tmp_path):
    for array in (np.arange(3), np.array({"a": np.arange(3)}, dtype=object)):
        data = _npy(array)
        for end in range(len(data)):
            _npy_refusal(tmp_path / "a.npy", data[:end])


def test_forged_npy_files_are_refused(tmp_path):
    objects = _npy(np.array([None, None], dtype=object))
    _npy_refusal(tmp_path / "a.npy", objects.replace(b"(2,)", b"(9,)"))
    _npy_refusal(tmp_path / "a.npy", objects[:128] + pickle.dumps([1, 2]))
    _npy_refusal(tmp_path / "a.npy", _npy(np.zeros(2, dtype=[("number", "f8"), ("thing", "O")])))
    _npy_refusal(tmp_path / "a.npy", _npy(np.zeros(2)).replace(b"(2,)", b"(9,)"))


def test_an_array_shorter_than_its_file_is_refused(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.save(file, np.arange(4))
        np.save(file, np.arange(4))
    with pytest.raises(DataError, match="more follows"):
        load_npy(tmp_path / "a.npy")
