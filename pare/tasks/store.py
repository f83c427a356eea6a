"""Prepared data at rest: one Arrow file per split, memory-mapped on reading, under a key that says what made it."""

import hashlib
import json
import os
import platform
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa

from pare.errors import DataError, RequestError
from pare.tasks.task import SPLITS, Kind, Progress, Provenance, Raw, Recipe, Split, Task

_FORMAT = 1
"""Raised whenever the files below change their layout."""

_COLUMNS = ("x", "y", "group")
_META = "meta.json"
_STATISTICS = "statistics.npz"
_PARTIAL = ".partial-"
_DAY = 86400.0


@dataclass(frozen=True)
class Prepared:
    """A task's data made ready below `root`; a split is opened only when asked for, so the test split stays shut."""

    root: Path
    key: str
    provenance: Provenance
    counts: Mapping[str, int]
    """Samples per split."""
    statistics: Mapping[str, np.ndarray]
    classes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Samples per class of each split; empty for dense tasks."""

    def split(self, name: str) -> Split:
        """The split `name`, its arrays being read-only views of the memory-mapped file.

        Raises:
            DataError: the split's file is missing or damaged; names its folder.
        """
        folder = self.root / self.key
        try:
            batch = pa.ipc.open_file(pa.memory_map(str(folder / f"{name}.arrow"))).get_batch(0)
            return Split(*(_array(batch.column(column)) for column in _COLUMNS))
        except (OSError, KeyError, pa.ArrowException) as error:
            raise _damaged(folder, f"{name}.arrow", error) from error


def prepare(task: Task, root: Path, preset: str, progress: Progress) -> Prepared:
    """Make the task's data ready below `root`, from official files in `root/<task>/raw` or else by synthesis.

    What is ready already is returned at once; what is not appears whole or not at all.

    Raises:
        DataError: official files are missing and cannot be synthesised, or are not what they should be.
        RequestError: the root cannot be written.
    """
    source, provenance, recipe, stamps = _origin(task, root, preset)
    identity = [task.name, task.version, _FORMAT, provenance, recipe, stamps]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    key = f"{task.name}/prepared-{digest}"
    try:
        if not (root / key).is_dir():
            if source is None:
                source = root / task.name / f"{provenance}-{digest}"
                _whole(source, lambda folder: task.synthesise(folder, recipe, progress))
            raw = task.read(source, progress)
            _whole(root / key, lambda folder: _write(folder, task, raw, provenance, recipe))
    except OSError as error:
        raise RequestError(f"cannot prepare {task.name} below {root}: {error}: give a writable data root") from error
    return load(root, key)


def load(root: Path, key: str) -> Prepared:
    """The data prepared under `key`.

    Raises:
        DataError: there is none or it is damaged; names the folder and the remedy.
    """
    folder = root / key
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist: prepare the task's data first")
    name = _META
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        if meta["format"] != _FORMAT or meta["provenance"] not in get_args(Provenance):
            raise ValueError("it was written by another version")
        name = _STATISTICS
        with np.load(folder / _STATISTICS, allow_pickle=False) as file:
            statistics = dict(file)
        for split in SPLITS:
            name = f"{split}.arrow"
            (folder / name).stat()
        classes = {split: tuple(counts) for split, counts in meta["classes"].items()}
        return Prepared(root, key, meta["provenance"], meta["counts"], statistics, classes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile) as error:
        raise _damaged(folder, name, error) from error


def _damaged(folder: Path, name: str, error: Exception) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(f"{folder} is damaged at {name} ({reason}): remove the folder and prepare the data again")


def _origin(task: Task, root: Path, preset: str) -> tuple[Path | None, Provenance, Recipe, list[list[Any]]]:
    """The folder of the official files (None: to be synthesised), provenance, recipe, and stamps of those files."""
    folder = root / task.name / "raw"
    missing = [name for name in task.files if not (folder / name).is_file()]
    if not missing:
        stats = [(folder / name).stat() for name in task.files]
        return folder, "real", {}, [[n, s.st_size, s.st_mtime_ns] for n, s in zip(task.files, stats, strict=True)]
    if len(missing) < len(task.files):
        raise DataError(f"{folder / missing[0]} is missing beside the other official files: get it from {task.where}")
    if preset not in task.recipes:
        raise DataError(
            f"{task.name} cannot be synthesised for preset {preset!r}: put {', '.join(task.files)} into {folder} "
            f"(from {task.where}), or choose --preset laptop, which synthesises"
        )
    return None, task.synthetic, dict(task.recipes[preset]), []


def _write(folder: Path, task: Task, raw: Raw, provenance: Provenance, recipe: Recipe) -> None:
    splits: dict[str, Split] = {name: getattr(raw, name) for name in SPLITS}
    for name, split in splits.items():
        # One batch, so that reading back yields one contiguous array per column without copying.
        batch = pa.record_batch([_column(getattr(split, column)) for column in _COLUMNS], names=list(_COLUMNS))
        with pa.ipc.new_file(str(folder / f"{name}.arrow"), batch.schema) as file:
            file.write_batch(batch)
    arrays: dict[str, Any] = dict(raw.statistics)
    np.savez(folder / _STATISTICS, **arrays)
    meta = {
        "format": _FORMAT,
        "task": task.name,
        "version": task.version,
        "provenance": provenance,
        "recipe": recipe,
        "counts": {name: len(split) for name, split in splits.items()},
        "classes": {name: _class_counts(task.kind, split.y, task.outputs[0]) for name, split in splits.items()},
    }
    (folder / _META).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")


def _class_counts(kind: Kind, y: np.ndarray, classes: int) -> list[int]:
    if kind == "dense":
        return []
    counts: np.ndarray = np.bincount(y, minlength=classes) if kind == "classification" else y.sum(axis=0, dtype=int)
    return [int(count) for count in counts]


def _column(values: np.ndarray) -> Any:
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(values))


def _array(column: Any) -> np.ndarray:
    tensor = isinstance(column, pa.FixedShapeTensorArray)
    array: np.ndarray = column.to_numpy_ndarray() if tensor else column.to_numpy(zero_copy_only=True)
    return array


def _whole(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary sibling and rename it to `folder`; who loses the race uses the winner's folder."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    partial = folder.parent / f"{_PARTIAL}{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}"
    partial.mkdir()
    try:
        write(partial)
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove what killed processes left half-written."""
    for partial in parent.glob(f"{_PARTIAL}*"):
        if _abandoned(partial):
            shutil.rmtree(partial, ignore_errors=True)


def _abandoned(partial: Path) -> bool:
    host, _, pid = partial.name.removeprefix(_PARTIAL).rpartition("-")[0].rpartition("-")
    # A process id says nothing about the processes of another machine that shares the file system.
    if host == platform.node() and pid.isdecimal():
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass
    try:
        return time.time() - partial.stat().st_mtime > _DAY
    except FileNotFoundError:
        return False
