"""PDEBench's HDF5 files: an array for each field, or a group for each sample; frames are found by their time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from pare.data import checks
from pare.data.task import ProgressCallback
from pare.errors import DataError, RequestError

LEAST = 4
"""Samples that can be split: one to test on, one to validate on, two to train on."""

_BLOCK = 500
"""Samples of a field that are read at once."""


class FrameLayout(Protocol):
    """The layout of a file's frames (n, T, C, *spatial_shape): n samples at T times of C fields."""

    def read(
        self, path: Path, times: Sequence[float], spatial_shape: Sequence[int], progress: ProgressCallback
    ) -> np.ndarray:
        """The frames at `times` on every m-th point of a file m times as fine as `spatial_shape`, float32.

        Raises:
            DataError: the file is missing, damaged, of another shape, without such frames, or not all finite.
        """
        ...

    def write(self, path: Path, times: Sequence[float], frames: np.ndarray, domain: tuple[float, float]) -> None:
        """Write frames, and with them the times and the coordinates of cell centres in `domain`, the same each way."""
        ...


@dataclass(frozen=True)
class Stacked:
    """A data set (n, T, *spatial_shape) for each field, and `t-coordinate` (one longer than T in official files)."""

    fields: tuple[str, ...] = ("tensor",)

    def read(
        self, path: Path, times: Sequence[float], spatial_shape: Sequence[int], progress: ProgressCallback
    ) -> np.ndarray:
        parts: list[np.ndarray] = []
        with opened(path) as file:
            for number, name in enumerate(self.fields):
                data = dataset(path, file, name)
                step = stride(path, name, data.shape, 2, spatial_shape)
                chosen = _at(path, np.asarray(dataset(path, file, "t-coordinate"))[: data.shape[1]], times)
                if number and data.shape != dataset(path, file, self.fields[0]).shape:
                    raise DataError(f"{path}: {name} has shape {data.shape}, unlike {self.fields[0]}")
                field = np.empty((len(data), len(times), *spatial_shape), dtype=np.float32)
                for start in range(0, len(data), _BLOCK):
                    stop = min(start + _BLOCK, len(data))
                    for frame, index in enumerate(chosen):
                        field[start:stop, frame] = data[start:stop, index][step]
                    progress(number * len(data) + stop, len(self.fields) * len(data))
                parts.append(field)
        return finite(path, np.stack(parts, axis=2))

    def write(self, path: Path, times: Sequence[float], frames: np.ndarray, domain: tuple[float, float]) -> None:
        with h5py.File(path, "w") as file:
            for number, name in enumerate(self.fields):
                file[name] = np.asarray(frames[:, :, number], dtype=np.float32)
            write_coordinates(file, frames.shape[3:], domain, "-coordinate")
            file["t-coordinate"] = np.asarray(times, dtype=np.float32)


@dataclass(frozen=True)
class Grouped:
    """A group for each sample, `0000`, `0001` and so on, with `data` (T, *spatial_shape, C) and `grid/t`."""

    channels: int = 1

    def read(
        self, path: Path, times: Sequence[float], spatial_shape: Sequence[int], progress: ProgressCallback
    ) -> np.ndarray:
        with opened(path) as file:
            names = sorted(file)
            if len(names) < LEAST:
                raise DataError(f"{path} holds {len(names)} samples, expected {LEAST} or more")
            frames = np.empty((len(names), len(times), self.channels, *spatial_shape), dtype=np.float32)
            for number, name in enumerate(names):
                data = dataset(path, file, f"{name}/data")
                if data.ndim != len(spatial_shape) + 2 or data.shape[-1] != self.channels:
                    wanted = ", ".join(map(str, ("T", *spatial_shape, self.channels)))
                    raise DataError(f"{path}: {name}/data has shape {data.shape}, expected ({wanted}) or finer")
                step = stride(path, f"{name}/data", data.shape[:-1], 1, spatial_shape)
                chosen = _at(path, np.asarray(dataset(path, file, f"{name}/grid/t"))[: len(data)], times)
                for frame, index in enumerate(chosen):
                    frames[number, frame] = np.moveaxis(data[index], -1, 0)[step]
                progress(number + 1, len(names))
        return finite(path, frames)

    def write(self, path: Path, times: Sequence[float], frames: np.ndarray, domain: tuple[float, float]) -> None:
        with h5py.File(path, "w") as file:
            for number, sample in enumerate(frames):
                group = file.create_group(f"{number:04d}")
                group["data"] = np.asarray(np.moveaxis(sample, 1, -1), dtype=np.float32)
                grid = group.create_group("grid")
                write_coordinates(grid, frames.shape[3:], domain, "")
                grid["t"] = np.asarray(times, dtype=np.float32)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The HDF5 file at `path`; whatever goes wrong while it is read is a DataError that names it."""
    try:
        if not path.is_file():
            raise FileNotFoundError("no such file")
        with h5py.File(path) as file:
            yield file
    except RequestError:
        raise
    except Exception as error:  # damaged files raise whatever their first wrong byte happens to mean
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not a whole HDF5 file ({type(error).__name__}: {reason})") from error


def dataset(path: Path, file: Any, name: str) -> Any:
    """The data set `name` of an open file.

    Raises:
        DataError: there is none of real numbers.
    """
    data = file.get(name)
    if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "fiu" or data.ndim == 0:
        raise DataError(f"{path} has no data set {name!r} of real numbers: it is not the official file")
    return data


def stride(path: Path, name: str, shape: Sequence[int], axes: int, spatial_shape: Sequence[int]) -> tuple[Any, ...]:
    """The index that takes every m-th point of data of `shape`, whose `axes` leading axes are of something else.

    Raises:
        DataError: the data are too few samples, or no multiple of `spatial_shape` at each of their points.
    """
    short = axes == 2 and len(shape) and shape[0] < LEAST
    if len(shape) != axes + len(spatial_shape) or short or 0 in shape or not fits(shape[axes:], spatial_shape):
        wanted = ", ".join(map(str, [*("n", "T")[-axes:], *spatial_shape]))
        least = f" and n ≥ {LEAST}" if axes == 2 else ""
        raise DataError(f"{path}: {name} has shape {tuple(shape)}, expected ({wanted}) or m times as fine{least}")
    return thinned(shape[axes:], spatial_shape)


def fits(fine: Sequence[int], spatial_shape: Sequence[int]) -> bool:
    """Whether each axis of `fine` has m times the points of `spatial_shape`, with one m for all."""
    m = fine[0] // spatial_shape[0] if len(fine) == len(spatial_shape) else 0
    return m > 0 and tuple(fine) == tuple(m * side for side in spatial_shape)


def thinned(fine: Sequence[int], spatial_shape: Sequence[int]) -> tuple[Any, ...]:
    """The index of every m-th point along the last axes."""
    return (..., *(slice(None, None, many // few) for many, few in zip(fine, spatial_shape, strict=True)))


def finite(path: Path, frames: np.ndarray) -> np.ndarray:
    """`frames`, if they are finite.

    Raises:
        DataError: they are not.
    """
    if not checks.is_sound(frames):
        raise DataError(f"{path} holds values that are not finite: get the file anew")
    return frames


def centres(cells: int, domain: tuple[float, float]) -> np.ndarray:
    """Coordinates (cells,) of the centres of equal cells."""
    low, high = domain
    return low + (np.arange(cells) + 0.5) * (high - low) / cells


def write_coordinates(group: Any, spatial_shape: Sequence[int], domain: tuple[float, float], suffix: str) -> None:
    """Write the centres of equal cells along each axis: `x` and, in the plane, `y`, with a suffix to their names."""
    for axis, cells in zip("xy", spatial_shape, strict=False):
        group[axis + suffix] = centres(cells, domain).astype(np.float32)


def _at(path: Path, stored: np.ndarray, times: Sequence[float]) -> list[int]:
    """The frames nearest to `times`."""
    if stored.ndim != 1 or len(stored) == 0:
        raise DataError(f"{path} has times of shape {stored.shape}, expected one for each frame")
    chosen = []
    for time in times:
        nearest = int(np.abs(stored - time).argmin())
        if abs(stored[nearest] - time) > 1e-4 * max(1.0, time):
            raise DataError(f"{path} has no frame at t = {time:g}: its times run from {stored[0]:g} to {stored[-1]:g}")
        chosen.append(nearest)
    return chosen
