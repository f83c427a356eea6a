"""Load untrusted pickles: anything but arrays and plain containers is refused, never executed."""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from pare.errors import DataError

Stream = IO[bytes] | io.BufferedIOBase

_KINDS = "biufcSUO"
"""Allowed dtype kinds: numbers, text and objects; a structured dtype could hide objects between numbers."""


class _Dtype:
    """Replacement for `numpy.dtype`, whose unpickling trusts forged sizes and flags."""

    def __init__(self, code: str, *_flags: object) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in _KINDS:
            raise pickle.UnpicklingError(f"an array of {code}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray):
    """An array that takes its dtype from `_Dtype` and checks the values that numpy's unpickling trusts."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        if isinstance(data, str) and kind.dtype.kind != "O":
            data = data.encode("latin1")
        holder, size = (list, 1) if kind.dtype.kind == "O" else (bytes, kind.dtype.itemsize)
        if not isinstance(data, holder) or min(shape, default=0) < 0 or len(data) != prod(shape) * size:
            raise pickle.UnpicklingError(f"an array {shape} of {kind.dtype} from {len(data)} bytes or objects")
        checked: Any = (1, shape, kind.dtype, bool(fortran), data)
        super().__setstate__(checked)


def _reconstruct(*_: object) -> _Array:
    return np.ndarray.__new__(_Array, (0,))


def _scalar(kind: _Dtype, data: bytes | str) -> Any:
    return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, kind.dtype)[0]


def _from_buffer(data: bytes | bytearray, kind: _Dtype, shape: tuple[int, ...], order: Literal["C", "F"]) -> np.ndarray:
    # Copied, because later parts of the pickle could still change a bytearray.
    return np.frombuffer(bytes(data), kind.dtype).reshape(shape, order=order)


def _encode(text: str, _latin1: str) -> bytes:
    """Encode text as bytes, which protocol 2 stores as text."""
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    # Only passed to `_reconstruct`, because calling the class would make objects from bytes.
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
    **{("builtins", kind.__name__): kind for kind in (bytes, bytearray, complex, set, frozenset)},
}
_RENAMED = {
    "__builtin__": "builtins",
    "numpy._core.multiarray": "numpy.core.multiarray",
    "numpy._core.numeric": "numpy.core.numeric",
}
"""Module names that differ: protocol 2 uses those of Python 2, and numpy 2 moved its private modules."""


class _ForbiddenError(Exception):
    pass


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[_RENAMED.get(module, module), name]
        except KeyError:
            raise _ForbiddenError(f"{module}.{name}") from None


def _plainly(path: Path) -> AbstractContextManager[Stream]:
    return path.open("rb")


def dump_arrays(file: Path | Stream, value: Any) -> None:
    """Pickle arrays and plain containers in the format of the official files."""
    if isinstance(file, Path):
        with file.open("wb") as opened:
            return dump_arrays(opened, value)
    pickle.dump(value, file, protocol=4)
    return None


def load_arrays(path: Path, opened: Callable[[Path], AbstractContextManager[Stream]] = _plainly) -> Any:
    """Load numpy arrays and scalars in plain containers from the pickle `path`, by numpy 1 or 2, protocols 2 to 5.

    `opened` opens it: `gzip.open` for a compressed file, or a function that opens a member of an archive. Byte strings
    of Python 2 are returned as str.

    Raises:
        DataError: the file is missing, truncated, or asks for anything else, which is not executed.
    """
    with as_data_error(path, "a whole pickle of arrays"), opened(path) as file:
        value = _load(file)
        # A compressed file checks its checksum only at its end.
        while file.read(2**20):
            pass
        return value


def load_npy(path: Path, opened: Callable[[Path], AbstractContextManager[Stream]] = _plainly) -> np.ndarray:
    """Load the array of an .npy file; an array of objects is a pickle inside, loaded as by `load_arrays`.

    Raises:
        DataError: the file is missing, truncated, no .npy file, or its pickle asks for anything but arrays.
    """
    with as_data_error(path, "a whole .npy file"), opened(path) as file:
        old = np.lib.format.read_magic(file) == (1, 0)
        read_header = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if dtype.hasobject:
            array = _load(file)
            if dtype.kind != "O" or not isinstance(array, np.ndarray) or array.shape != shape:
                raise ValueError(f"an array {shape} of {dtype} is announced and another follows")
            return array
        file.seek(0)
        array = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):
            raise ValueError(f"more follows than the array {shape} of {dtype} that its header announces")
        return array


def _load(file: Stream) -> Any:
    return _Unpickler(file, encoding="latin1").load()


@contextmanager
def as_data_error(path: Path, expected: str) -> Iterator[None]:
    """Context that turns errors into a one-line DataError about a file that should hold `expected`."""
    try:
        yield
    except _ForbiddenError as forbidden:
        raise DataError(f"{path} is refused: it asks for {forbidden} and should hold arrays only") from forbidden
    except Exception as error:  # a damaged file may raise any exception
        if isinstance(error, OSError) and error.strerror:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(f"{path} is not {expected} ({reason})") from error
