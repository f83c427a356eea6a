"""A user's file as arrays: .npz, a folder of .npy files or of images, or a table; and its splits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image, UnidentifiedImageError

from pare.data.official.pickles import load_npy
from pare.data.tabular import rows_text
from pare.data.task import SPLITS
from pare.errors import DataError

_IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
_TABLES = {".csv", ".parquet", ".arrow", ".feather"}
_SIDE = 224
_FORMATS = ".npz, .csv, .parquet, .arrow, a folder with x.npy and y.npy, or one with a folder of images per class"


@dataclass(frozen=True)
class Samples:
    """What a file holds: x (n, …) or a data frame, y (n, …), and perhaps a group and a split (n,) of each sample."""

    x: np.ndarray | pd.DataFrame
    y: np.ndarray
    group: np.ndarray | None = None
    split: np.ndarray | None = None


def read(path: Path, label: str | None = None, group: str | None = None) -> Samples:
    """Read a file or folder; `label` and `group` name columns of a table.

    Raises:
        DataError: it is none of the formats, is damaged, or its arrays do not fit together; names the rows.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist: give {_FORMATS}")
    with as_data_error(path):
        if path.is_dir():
            samples = _arrays(path) if (path / "x.npy").is_file() else _images(path)
        elif path.suffix == ".npz":
            samples = _npz(path)
        elif path.suffix in _TABLES:
            samples = _table(path, label, group)
        else:
            raise DataError(f"{path} is of no known format: give {_FORMATS}")
    _check(path, samples)
    return samples


@contextmanager
def as_data_error(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, pa.ArrowException) as error:
        ragged = " (rows of unequal length are saved as objects)" if "allow_pickle" in str(error) else ""
        raise DataError(f"{path} cannot be read{ragged}: {' '.join(str(error).split())[:200]}") from error


def _npz(path: Path) -> Samples:
    with np.load(path, allow_pickle=False) as file:
        missing = [name for name in ("x", "y") if name not in file]
        if missing:
            raise DataError(
                f"{path} lacks {missing[0]!r}: it holds {', '.join(file)}; give x, y and perhaps split, group"
            )
        return Samples(*(file.get(name) for name in ("x", "y", "group", "split")))


def _arrays(folder: Path) -> Samples:
    if not (folder / "y.npy").is_file():
        raise DataError(f"{folder / 'y.npy'} is missing beside x.npy")
    beside = {
        name: load_npy(folder / f"{name}.npy") for name in ("group", "split") if (folder / f"{name}.npy").is_file()
    }
    return Samples(load_npy(folder / "x.npy"), load_npy(folder / "y.npy"), **beside)


def _table(path: Path, label: str | None, group: str | None) -> Samples:
    if path.suffix == ".csv":
        frame = pd.read_csv(path)
    elif path.suffix == ".parquet":
        frame = pd.read_parquet(path)
    else:
        frame = pd.read_feather(path)
    frame.columns = frame.columns.map(str)
    rest = [str(name) for name in frame if name not in ("split", group)]
    target = label if label is not None else ("label" if "label" in rest else rest[-1])
    for option, name in (("--label", target), ("--group", group)):
        if name is not None and name not in frame:
            raise DataError(f"{option} is {name!r}: {path} has {', '.join(frame.columns[:20])}")
    taken = {name: frame[name] for name in (target, group, "split") if name is not None and name in frame}
    for name, column in taken.items():
        if column.isna().any():
            raise DataError(f"{path}: {name!r} is empty in {rows_text(np.flatnonzero(column.isna()))}")
    arrays = {name: column.to_numpy() for name, column in taken.items()}
    return Samples(
        frame.drop(columns=list(taken)), arrays[target], arrays[group] if group else None, arrays.get("split")
    )


def _images(folder: Path) -> Samples:
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    given = {path.name for path in below} == set(SPLITS)
    classes = [path for split in below for path in sorted(split.iterdir()) if path.is_dir()] if given else below
    files = [(file, of.name) for of in classes for file in sorted(of.iterdir()) if file.suffix.lower() in _IMAGES]
    if not files:
        raise DataError(f"{folder} holds no image below a folder of its class: give {_FORMATS}")
    for of in classes:
        if not any(file.parent == of for file, _ in files):
            raise DataError(f"{of} holds no image: give some of this class, or remove the folder")
    size: tuple[int, int] | None = None
    pictures = []
    for file, _ in files:
        try:
            with Image.open(file) as image:
                # All have the size of the first, as far as the body looks that close.
                size = size or (min(image.width, _SIDE), min(image.height, _SIDE))
                pictures.append(np.asarray(image.convert("RGB").resize(size)))
        except (OSError, UnidentifiedImageError) as error:
            raise DataError(f"{file} is no readable image: {error}") from error
    split = np.array([file.parent.parent.name for file, _ in files]) if given else None
    return Samples(np.stack(pictures), np.array([name for _, name in files]), split=split)


def _check(path: Path, samples: Samples) -> None:
    """What goes wrong most with files of one's own, told by row."""
    x, count = samples.x, len(samples.x)
    for name in ("y", "group", "split"):
        array = getattr(samples, name)
        if array is not None and (array.ndim == 0 or len(array) != count):
            found = "no axis" if array.ndim == 0 else f"{len(array)} rows"
            raise DataError(f"{path}: x has {count} rows, {name} has {found}: give one {name} a row")
    if isinstance(x, pd.DataFrame):
        if not x.shape[1]:
            raise DataError(f"{path} has no column beside the label: give the features too")
        bad = x.isna().to_numpy().any(axis=1) | np.isinf(x.select_dtypes("number").to_numpy(float)).any(axis=1)
    elif x.dtype.kind not in "biuf" or x.ndim < 2:
        raise DataError(f"{path}: x is {x.dtype} {x.shape}: give numbers (n, …), every sample of the same shape")
    else:
        bad = ~np.isfinite(x).reshape(count, -1).all(axis=1)
    if samples.y.dtype.kind == "f":
        bad = bad | ~np.isfinite(samples.y).reshape(count, -1).all(axis=1)
    if bad.any():
        raise DataError(f"{path} is empty, NaN or infinite in {rows_text(np.flatnonzero(bad))}: fill or drop them")


def divide(path: Path, samples: Samples, strata: np.ndarray, share: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """The split (n,) str and the group (n,) int64 of each sample: as given, or carved within `strata` (n,).

    What is carved gives a `share` to test and one to validation. Without groups, equal samples make one, so that no
    sample is in two splits.

    Raises:
        DataError: the splits given are not train, val and test, or share a group or a sample; names the rows.
    """
    keys = _identity(samples.x) if samples.group is None else samples.group
    group = np.unique(keys, return_inverse=True)[1].reshape(-1).astype(np.int64)
    if samples.split is None:
        return _carve(group, strata, share), group
    split = samples.split.astype(str)
    other = ~np.isin(split, SPLITS)
    if other.any():
        raise DataError(
            f"{path}: split is {str(split[other][0])!r} in {rows_text(np.flatnonzero(other))}: give train, val, test"
        )
    for name in SPLITS:
        if name not in split:
            raise DataError(f"{path}: no row's split is {name!r}: give all three, or none to have them carved")
    first = np.full(group.max() + 1, -1)
    first[group[::-1]] = np.arange(len(group))[::-1]
    leaked = np.flatnonzero(split != split[first[group]])
    if len(leaked):
        what = "sample" if samples.group is None else "group"
        raise DataError(
            f"{path}: the {what} of row {first[group[leaked[0]]]} is also in another split, "
            f"{rows_text(leaked)}: leave it in one"
        )
    return split, group


def _identity(x: np.ndarray | pd.DataFrame) -> np.ndarray:
    if isinstance(x, pd.DataFrame):
        return pd.util.hash_pandas_object(x, index=False).to_numpy()
    rows = np.ascontiguousarray(x)
    return np.array([hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest() for row in rows])


def _carve(group: np.ndarray, strata: np.ndarray, share: float) -> np.ndarray:
    """Whole groups, each of the stratum of its first sample, in an order that a fixed seed draws."""
    rng = np.random.default_rng(0)
    numbers, first = np.unique(group, return_index=True)
    of = np.full(len(numbers), "train", dtype="<U5")
    for stratum in np.unique(strata[first]):
        members = rng.permutation(np.flatnonzero(strata[first] == stratum))
        count = max(1, round(share * len(members)))
        of[members[:count]] = "test" if len(members) > 1 else "train"
        of[members[count : 2 * count]] = "val" if len(members) > 2 else "train"
    return of[group]
