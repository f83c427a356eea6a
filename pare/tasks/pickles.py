"""Pickled arrays from strangers: what is not an array or a plain container is refused, never executed."""

import pickle
from collections import OrderedDict
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pare.errors import DataError

_KINDS = "biufcSUO"
"""Plain numbers, text, and objects; a structured dtype could hide objects between numbers."""


class _Dtype:
    """Stands in for `numpy.dtype`, whose own unpickling believes forged sizes and flags."""

    def __init__(self, code: str, *_flags: object) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in _KINDS:
            raise pickle.UnpicklingError(f"an array of {code}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray):
    """An array that takes its dtype from a stand-in and checks what numpy's own unpickling believes."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        holder, size = (list, 1) if kind.dtype.kind == "O" else (bytes, kind.dtype.itemsize)
        if not isinstance(data, holder) or min(shape, default=0) < 0 or len(data) != prod(shape) * size:
            raise pickle.UnpicklingError(f"an array {shape} of {kind.dtype} from {len(data)} bytes or objects")
        checked: Any = (1, shape, kind.dtype, bool(fortran), data)
        super().__setstate__(checked)


def _reconstruct(*_: object) -> _Array:
    return np.ndarray.__new__(_Array, (0,))


def _scalar(kind: _Dtype, data: bytes) -> Any:
    return np.frombuffer(data, kind.dtype)[0]


def _from_buffer(data: bytes | bytearray, kind: _Dtype, shape: tuple[int, ...], order: Literal["C", "F"]) -> np.ndarray:
    # Copied, as what pickles into a bytearray could still be changed by what follows in the pickle.
    return np.frombuffer(bytes(data), kind.dtype).reshape(shape, order=order)


def _encode(text: str, _latin1: str) -> bytes:
    """Protocol 2 spells bytes as text to be encoded."""
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    # Only ever an argument of `_reconstruct`: the class itself, when called, makes objects out of bytes.
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
"""Protocol 2 uses Python 2's module names; numpy 2 moved its private modules."""


class _ForbiddenError(Exception):
    pass


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[_RENAMED.get(module, module), name]
        except KeyError:
            raise _ForbiddenError(f"{module}.{name}") from None


def dump_arrays(path: Path, value: Any) -> None:
    """Pickle arrays and plain containers as the official files are pickled."""
    with path.open("wb") as file:
        pickle.dump(value, file, protocol=4)


def load_arrays(path: Path) -> Any:
    """The object pickled in `path`: numpy arrays and scalars in plain containers, by numpy 1 or 2, protocols 2 to 5.

    Raises:
        DataError: the file is missing, truncated, or asks for anything else, which is refused unexecuted.
    """
    try:
        with path.open("rb") as file:
            return _Unpickler(file).load()
    except _ForbiddenError as forbidden:
        raise DataError(f"{path} is refused: it asks for {forbidden} and should hold arrays only") from forbidden
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # a damaged pickle raises whatever its first wrong byte happens to mean
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"{path} is not a whole pickle of arrays ({reason})") from error
