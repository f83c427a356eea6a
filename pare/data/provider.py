"""The provider of a sweep's data on every node: a directory, or a bucket that the nodes share.

Each node prepares or pulls what it lacks, once. Prepared data is named by what made it, so it does not matter who did.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
from filelock import FileLock

from pare import bucket
from pare.bucket import Folder
from pare.config import Run
from pare.data import labels, store
from pare.data.official import archives, locate
from pare.data.store import Prepared
from pare.data.task import ProgressCallback, Task
from pare.errors import RequestError, TrainingError


def root(data_root: Path | str | None) -> Path:
    """The directory of this machine for the value of `--data-root`."""
    if data_root is None or bucket.is_url(str(data_root)):
        data_root = os.environ.get("PARE_DATA") or Path.home() / ".cache/pare"
    return Path(data_root).expanduser()


@dataclass(frozen=True)
class DataProvider:
    """The data of a sweep: `data_root` a directory, the same on every node, or the URL of a bucket's folder."""

    data_root: str
    preset: str

    @classmethod
    def of(cls, data_root: Path | str | None, preset: str) -> DataProvider:
        """Return the provider for a value of `--data-root`.

        Raises:
            RequestError: it is the URL of what is not there or may not be written.
        """
        if data_root is not None and bucket.is_url(str(data_root)):
            return cls(bucket.reach(str(data_root), "--data-root").uri, preset)
        return cls(str(root(data_root).absolute()), preset)

    @property
    def root(self) -> Path:
        """This machine's directory of data."""
        return root(self.data_root)

    def prepare(self, task: Task, progress: ProgressCallback) -> Prepared:
        """Make a task's data ready here and, where there is a bucket, there.

        Official files in the bucket's `<task>/raw` serve where this machine has none.

        Raises:
            DataError, RequestError: see `store.prepare`; or the bucket cannot be reached.
        """
        there = self._bucket
        if there is None:
            return store.prepare(task, self.root, self.preset, progress)
        try:
            raw = self.root / task.name / "raw"
            official = {} if any(archives.find(raw, name) for name in task.files) else _official(task, there)
            made = store.origin(task, self.root, self.preset, official)
            if not made.ready and not self._pull(made.key):
                if official:
                    place = there / task.name / "raw"
                    locate.bring(task, partial(locate.of_folder, *bucket.opened(place.uri)), raw, progress)
                store.prepare(task, self.root, self.preset, progress)
            if not there.holds(f"{made.key}/{store.META}"):
                there.push_folder(self.root / made.key, made.key, last=store.META)
        except (OSError, pa.ArrowException) as error:
            raise RequestError(f"--data-root is {str(there)!r}: {bucket.reason(error)}; try again") from error
        return store.load(self.root, made.key)

    def ready(self, run: Run, task: Task, source: Task) -> Path:
        """Make sure that this machine has the data of a run on `task` and `source`, and return its directory.

        Raises:
            TrainingError: it can neither pull nor make it.
        """
        here = self.root
        for needed, key in ((task, run.data), (source.for_body(run.body), run.source_data)):
            if not (here / key).is_dir():
                (here / needed.name).mkdir(parents=True, exist_ok=True)
                with FileLock(here / needed.name / ".lock"):  # the others on this machine wait for the first
                    if not (here / key).is_dir() and not self._pull(key):
                        self._make(needed, key)
        return here

    def makes(self, task: Task, key: str) -> bool:
        """Whether this machine has some data of a task, or would have it by preparing it."""
        if (self.root / key).is_dir() or self._bucket is not None:
            return True
        try:
            return self._would_make(task, key)
        except RequestError:
            return False

    @property
    def _bucket(self) -> Folder | None:
        return Folder(self.data_root) if bucket.is_url(self.data_root) else None

    def _pull(self, key: str) -> bool:
        """Bring prepared data from the bucket, whole or not at all; returns whether it was there."""
        there = self._bucket
        if there is None or not there.holds(f"{key}/{store.META}"):
            return False

        def pull(folder: Path) -> None:
            there.pull_folder(key, folder)
            store.load(folder.parent, folder.name).verify()

        store.atomic_dir(self.root / key, pull)
        return True

    def _would_make(self, task: Task, key: str) -> bool:
        return store.origin(task, self.root, self.preset).key == labels.parse(key)[0]

    def _make(self, task: Task, key: str) -> None:
        whole, budget = labels.parse(key)
        if budget:
            if not (self.root / whole).is_dir() and not self._pull(whole):
                self._make(task, whole)
            labels.prepare(task, store.load(self.root, whole), budget)
            return
        if not self._would_make(task, key):
            raise TrainingError(
                f"{platform.node()} lacks the data of {task.name} ({key}) and would make other data below {self.root}: "
                "give --data-root in a bucket, or put the same official files there"
            )
        store.prepare(task, self.root, self.preset, lambda *_: None)


def _official(task: Task, there: Folder) -> dict[str, str]:
    """The fingerprints of a task's official files in the bucket; empty unless all are there."""
    stamps = {}
    for name in task.files:
        if not there.holds(f"{task.name}/raw/{name}"):
            return {}
        with there.open(f"{task.name}/raw/{name}") as file:
            stamps[name] = archives.sampled(file, file.size())
    return stamps
