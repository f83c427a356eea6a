"""Splits on disk: one Arrow file of one record batch each, so that whole arrays are mapped without copying."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pare.data.task import Split

_NAMES = ("x", "y", "group")


def write(path: Path, chunks: Iterable[Split], seen: Callable[[Split], None]) -> int:
    """Write a split that comes in chunks, holding no more than two of them; returns its number of samples.

    `seen` is shown every chunk. All chunks have the types and sample shapes of the first.
    """
    count = 0
    columns = [_Column(path.with_name(f"{path.stem}.{name}.bin")) for name in _NAMES]
    for chunk in chunks:
        for column, name in zip(columns, _NAMES, strict=True):
            column.append(getattr(chunk, name))
        count += len(chunk)
        seen(chunk)
    if count:
        batch = pa.record_batch([column.mapped(count) for column in columns], names=list(_NAMES))
        # Other implementations of Arrow may stop at 2³¹ numbers; FSD50K's training split has twice as many.
        options = pa.ipc.IpcWriteOptions(allow_64bit=True)
        with pa.ipc.new_file(str(path), batch.schema, options=options) as file:
            file.write_batch(batch)
    for column in columns:
        column.path.unlink(missing_ok=True)
    return count


def read(path: Path) -> Split:
    """The split in `path`, its arrays being read-only views of the memory-mapped file.

    Raises:
        OSError, KeyError, pyarrow.ArrowException: the file is missing or damaged.
    """
    batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
    return Split(*(_array(batch.column(name)) for name in _NAMES))


@dataclass
class _Column:
    """One column while it grows in a file of its own, which then serves as Arrow's buffer."""

    path: Path
    dtype: np.dtype[Any] | None = None
    shape: tuple[int, ...] = ()

    def append(self, values: np.ndarray) -> None:
        if self.dtype is None:
            self.dtype, self.shape = values.dtype, values.shape[1:]
        elif (values.dtype, values.shape[1:]) != (self.dtype, self.shape):
            raise ValueError(f"a chunk of {values.dtype} {values.shape[1:]} after one of {self.dtype} {self.shape}")
        with self.path.open("ab") as file:
            np.ascontiguousarray(values).tofile(file)

    def mapped(self, count: int) -> Any:
        """The column (count, *shape) as an Arrow array over the mapped file."""
        kind, size = pa.from_numpy_dtype(self.dtype), prod(self.shape)
        flat = pa.Array.from_buffers(kind, count * size, [None, pa.memory_map(str(self.path)).read_buffer()])
        if not self.shape:
            return flat
        rows = pa.FixedSizeListArray.from_arrays(flat, size)
        return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(kind, self.shape), rows)


def _array(column: Any) -> np.ndarray:
    tensor = isinstance(column, pa.FixedShapeTensorArray)
    array: np.ndarray = column.to_numpy_ndarray() if tensor else column.to_numpy(zero_copy_only=True)
    return array
