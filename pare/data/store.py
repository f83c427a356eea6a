"""Prepared data on disk: one memory-mapped Arrow file per split, under a key that identifies its origin."""

import functools
import hashlib
import json
import os
import platform
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa

from pare.data import arrow
from pare.data.official import archives, lookalikes
from pare.data.task import SPLITS, Kind, ProgressCallback, Provenance, Raw, Recipe, Split, Task
from pare.errors import DataError, RequestError

_FORMAT = 2
"""Raised whenever the files below change their layout."""

META = "meta.json"
STATISTICS = "statistics.npz"
_PARTIAL = ".partial-"
_PARTS = ".splits-"
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
    """Samples per class of each split; empty where there are no classes."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each split's file when it was written."""

    def split(self, name: str) -> Split:
        """The split `name`, its arrays being read-only views of the memory-mapped file.

        Raises:
            DataError: the split's file is missing or damaged; names its folder.
        """
        folder = self.root / self.key
        try:
            return arrow.read(folder / f"{name}.arrow")
        except (OSError, KeyError, pa.ArrowException) as error:
            raise _damaged(folder, f"{name}.arrow", error) from error

    def verify(self) -> None:
        """Compare the splits' files with their checksums, which reads them whole.

        Raises:
            DataError: one is not as it was written; names its folder.
        """
        folder = self.root / self.key
        for name in SPLITS:
            if _sha256(folder / f"{name}.arrow") != self.checksums[name]:
                raise _damaged(folder, f"{name}.arrow", ValueError("its checksum is another"))


@dataclass(frozen=True)
class Origin:
    """The origin of a task's data: official files in `folder` (None: they are yet to be synthesised).

    `ready` says whether that has been done, under `key`.
    """

    folder: Path | None
    provenance: Provenance
    recipe: Recipe
    digest: str
    """Hash of everything that determines the prepared data; independent of path and time."""
    key: str
    ready: bool


def origin(task: Task, root: Path, preset: str, elsewhere: Mapping[str, str] | None = None) -> Origin:
    """Find the task's official files in `root/<task>/raw`, or the recipe that replaces them.

    `elsewhere` are the fingerprints of its official files where they may be had if there is none of them there.

    Raises:
        DataError: some of them are missing, or all are and cannot be synthesised; or one lies where nothing reads it.
    """
    folder = root / task.name / "raw"
    found = {name: archives.find(folder, name) for name in task.files}
    missing = [name for name, path in found.items() if path is None]
    stamps = {Path(name).name: archives.fingerprint(path) for name, path in found.items() if path and not missing}
    if elsewhere and len(missing) == len(task.files):
        missing, stamps = [], dict(elsewhere)
    if missing and (near := lookalikes.find(root, task.name, task.files)):
        raise DataError(f"{task.name}: {near}")
    if 0 < len(missing) < len(task.files):
        raise DataError(
            f"{folder / missing[0]} is missing beside the other official files: get it from {task.homepage}"
        )
    if missing and preset not in task.recipes:
        raise DataError(
            f"{task.name} cannot be synthesised for preset {preset!r}: put {', '.join(task.files)} into {folder} "
            f"(from {task.homepage})" + (", or choose --preset laptop, which synthesises" if task.recipes else "")
        )
    provenance: Provenance = task.synthetic if missing else "real"
    recipe = dict(task.recipes[preset]) if missing else {}
    identity = [task.name, task.version, _FORMAT, provenance, recipe, stamps]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    key = f"{task.name}/prepared-{digest}"
    return Origin(None if missing else folder, provenance, recipe, digest, key, (root / key).is_dir())


def prepare(task: Task, root: Path, preset: str, progress: ProgressCallback) -> Prepared:
    """Make the task's data ready below `root`, from official files in `root/<task>/raw` or else by synthesis.

    What is ready already is returned at once; what is not appears whole or not at all. A preparation that was killed
    goes on, within a day, after the last split that it had finished.

    Raises:
        DataError: official files are missing and cannot be synthesised, or are not what they should be.
        RequestError: the root cannot be written.
    """
    try:
        made = origin(task, root, preset)
        if not made.ready:
            source = made.folder
            if source is None:
                source = root / task.name / f"{made.provenance}-{made.digest}"
                atomic_dir(source, lambda folder: task.write_synthetic(folder, made.recipe, progress))
            parts = root / task.name / f"{_PARTS}{made.digest}"
            try:
                raw = task.read(source, progress)
                for name in SPLITS:
                    atomic_dir(parts / name, functools.partial(write_split, task, name, raw))
                atomic_dir(root / made.key, functools.partial(_join, task, parts, made))
            except Exception:
                shutil.rmtree(parts, ignore_errors=True)
                raise
            shutil.rmtree(parts, ignore_errors=True)
    except OSError as error:
        raise RequestError(f"cannot prepare {task.name} below {root}: {error}: give a writable data root") from error
    return load(root, made.key)


def load(root: Path, key: str) -> Prepared:
    """The data prepared under `key`.

    Raises:
        DataError: there is none or it is damaged; names the folder and the remedy.
    """
    folder = root / key
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist: prepare the task's data first")
    name = META
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        if meta["format"] != _FORMAT or meta["provenance"] not in get_args(Provenance):
            raise ValueError("it was written by another version")
        name = STATISTICS
        with np.load(folder / STATISTICS, allow_pickle=False) as file:
            statistics = dict(file)
        for split in SPLITS:
            name = f"{split}.arrow"
            (folder / name).stat()
        classes = {split: tuple(counts) for split, counts in meta["classes"].items()}
        return Prepared(root, key, meta["provenance"], meta["counts"], statistics, classes, meta["sha256"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile) as error:
        raise _damaged(folder, name, error) from error


def _damaged(folder: Path, name: str, error: Exception) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(f"{folder} is damaged at {name} ({reason}): remove the folder and prepare the data again")


def write_split(task: Task, name: str, raw: Raw, folder: Path) -> None:
    """Write one split and, as it may have made them on its way, the statistics."""
    chunks: Split | Iterable[Split] = getattr(raw, name)
    classes = np.zeros(task.output_shape[0] if task.kind in ("classification", "multilabel") else 0, dtype=int)
    count = arrow.write(
        folder / f"{name}.arrow",
        [chunks] if isinstance(chunks, Split) else chunks,
        functools.partial(_count_classes, task.kind, classes),
    )
    if count == 0:
        raise DataError(f"{task.name} has no sample for {name}: give it files that hold some ({', '.join(task.files)})")
    text = {"count": count, "classes": classes.tolist(), "sha256": _sha256(folder / f"{name}.arrow")}
    (folder / META).write_text(json.dumps(text), encoding="utf-8")
    arrays: dict[str, Any] = dict(raw.statistics)
    np.savez(folder / STATISTICS, **arrays)


def _join(task: Task, parts: Path, made: Origin, folder: Path) -> None:
    """Collect the splits, some of which an interrupted preparation may already have written."""
    arrays: dict[str, Any] = {}
    meta: dict[str, dict[str, Any]] = {}
    for name in SPLITS:
        link(parts / name / f"{name}.arrow", folder / f"{name}.arrow")
        meta[name] = json.loads((parts / name / META).read_text(encoding="utf-8"))
        with np.load(parts / name / STATISTICS, allow_pickle=False) as file:
            arrays |= dict(file)
    np.savez(folder / STATISTICS, **arrays)
    text = {
        "format": _FORMAT,
        "task": task.name,
        "version": task.version,
        "provenance": made.provenance,
        "recipe": made.recipe,
        "counts": {name: of["count"] for name, of in meta.items()},
        "classes": {name: of["classes"] for name, of in meta.items()},
        "sha256": {name: of["sha256"] for name, of in meta.items()},
    }
    (folder / META).write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")


def link(path: Path, copy: Path) -> None:
    """Let a file have a second name, or copy it."""
    try:
        os.link(path, copy)
    except OSError:  # a disk without hard links: exFAT, some network shares
        shutil.copyfile(path, copy)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _count_classes(kind: Kind, per_class: np.ndarray, chunk: Split) -> None:
    if kind == "classification":
        per_class += np.bincount(chunk.y, minlength=len(per_class))
    elif kind == "multilabel":
        per_class += chunk.y.sum(axis=0, dtype=int)


def atomic_dir(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary sibling and rename it to `folder`; if another process was faster, use its folder."""
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
    for parts in parent.glob(f"{_PARTS}*"):
        if _old(parts):
            shutil.rmtree(parts, ignore_errors=True)


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
    return _old(partial)


def _old(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > _DAY
    except FileNotFoundError:
        return False
