"""Read a user's file or folder as samples: .npz, a folder of .npy files or of images, or a table."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from pare.data.official.pickles import load_npy
from pare.errors import DataError, RequestError, quoted
from pare.tasks.own import image_folder, table_file
from pare.tasks.own.samples import Samples, check

FORMATS = ".npz, .csv, .parquet, .arrow, a folder with x.npy and y.npy, or one with a folder of images per class"


def read(path: Path, label: str | None = None, group: str | None = None, drop: Sequence[str] = ()) -> Samples:
    """Read a file or folder; `label` and `group` name a table's columns or arrays, `drop` columns to leave out.

    Raises:
        DataError: it is none of the formats, is damaged, or its arrays do not fit together; names the rows.
        RequestError: an option does not apply to the format.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist: give {FORMATS}")
    suffix = path.suffix.lower()
    table = suffix in table_file.SUFFIXES and not path.is_dir()
    if drop and not table:
        raise RequestError(f"--drop is {' '.join(drop)}: leave it out, {path} is no table")
    with as_data_error(path):
        if table:
            samples = table_file.read(path, label, group, drop)
        elif path.is_dir() and (path / "x.npy").is_file():
            samples = _arrays(path, label, group)
        elif path.is_dir():
            for option, value in (("--label", label), ("--group", group)):
                if value is not None:
                    raise RequestError(f"{option} is {value!r}: leave it out, the images of {path} have no columns")
            samples = image_folder.read(path)
        elif suffix == ".npz":
            samples = _npz(path, label, group)
        else:
            raise DataError(f"{path} is of no known format: give {FORMATS}")
    check(path, samples)
    return samples


@contextmanager
def as_data_error(path: Path) -> Iterator[None]:
    """Context that turns errors of reading a file into a one-line DataError."""
    try:
        yield
    except RequestError:
        raise
    except MemoryError as error:
        raise DataError(f"{path} cannot be read: it asks for more memory than there is") from error
    except Exception as error:  # a damaged file may raise any exception
        ragged = " (rows of unequal length are saved as objects)" if "allow_pickle" in str(error) else ""
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(f"{path} cannot be read{ragged}: {reason}") from error


def _npz(path: Path, label: str | None, group: str | None) -> Samples:
    if zipfile.is_zipfile(path):  # a small archive may unpack to more than memory holds
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > psutil.virtual_memory().available:
            raise DataError(f"{path} unpacks to {size / 2**30:,.1f} GiB, more than the memory that is free: give less")
    file = np.load(path, allow_pickle=False)
    if isinstance(file, np.ndarray):
        raise DataError(f"{path} holds one array without a name: give a .npz with x and y, as np.savez makes it")
    with file:
        target, names = _named(path, list(file), label, group)
        unread = [name for name in file if name not in names.values() and name != target]
        group_of, split = (file[names[part]] if part in names else None for part in ("group", "split"))
        return Samples(
            file["x"], _column(file[target]), group_of, split, found="NumPy arrays", left_out=_unread(unread)
        )


def _arrays(folder: Path, label: str | None, group: str | None) -> Samples:
    there = sorted(path.stem for path in folder.glob("*.npy"))
    target, names = _named(folder, there, label, group)
    files = [name for name in there if name not in names.values() and name != target]
    others = sum(not path.name.startswith(".") for path in folder.iterdir()) - len(there)
    unread = (*_unread(files), *([f"{others} files or folders beside the arrays"] if others else []))
    x, y = (load_npy(folder / f"{name}.npy") for name in ("x", target))
    group_of, split = (
        load_npy(folder / f"{names[part]}.npy") if part in names else None for part in ("group", "split")
    )
    return Samples(x, _column(y), group_of, split, found="NumPy arrays, a file each", left_out=unread)


def _named(path: Path, there: Sequence[str], label: str | None, group: str | None) -> tuple[str, dict[str, str]]:
    """Return the names of the arrays of target, group and split; the last two may be missing.

    Raises:
        DataError: x, the target or an array named by an option is missing, or a name is nearly that of one of these.
    """
    target = label or "y"
    for option, name in (("", "x"), ("--label", target), ("--group", group)):
        if name is not None and name not in there:
            said = f"{option} is {quoted(name)}: " if option and name not in ("x", "y") else ""
            raise DataError(
                f"{said}{path} lacks {quoted(name)}: it holds {', '.join(there)[:300]}; give x, y and perhaps split, "
                "group"
            )
    names = {part: name for part, name in (("group", group or "group"), ("split", "split")) if name in there}
    for name in there:
        meant = {"groups": "group", "splits": "split"}.get(name.lower(), name.lower())
        if meant in ("group", "split") and meant not in names:
            raise DataError(f"{path} holds {quoted(name)}, which is not read: call it {meant!r}, or leave it out")
    return target, names


def _column(y: np.ndarray) -> np.ndarray:
    """Turn targets in a column (n, 1) into (n,)."""
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def _unread(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"array {quoted(name)}: not read" for name in names if name != "x")
