"""Where a sweep's data comes from, on whichever node a run needs it: a directory, or a bucket that the nodes share.

Each node prepares or pulls what it lacks, once. Prepared data is named by what made it, so it does not matter who did.
"""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
from filelock import FileLock

from pare import bucket, tasks
from pare.bucket import Folder
from pare.config import Run
from pare.data import store
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
    own: tuple[tuple[str, str], ...] = ()
    """Paths and texts of the files that describe the user's own tasks, as another node may not have them."""

    @classmethod
    def of(cls, data_root: Path | str | None, preset: str) -> DataProvider:
        """For the value of `--data-root`.

        Raises:
            RequestError: it is the URL of what is not there or may not be written.
        """
        paths = [path for path in os.environ.get(tasks.OWN, "").split(os.pathsep) if Path(path).is_file()]
        own = tuple((path, Path(path).read_text(encoding="utf-8")) for path in paths)
        if data_root is not None and bucket.is_url(str(data_root)):
            return cls(bucket.reach(str(data_root), "--data-root").uri, preset, own)
        return cls(str(root(data_root).absolute()), preset, own)

    @property
    def root(self) -> Path:
        """The directory of the machine that asks."""
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

    def ready(self, run: Run) -> Path:
        """See that this machine has what a run needs, and return where.

        Raises:
            TrainingError: it can neither pull nor make it.
        """
        self._settle()
        here = self.root
        for name, key, body in ((run.task, run.data, ""), (run.source, run.source_data, run.body)):
            if not (here / key).is_dir():
                (here / name).mkdir(parents=True, exist_ok=True)
                with FileLock(here / name / ".lock"):  # the others on this machine wait for the first
                    if not (here / key).is_dir() and not self._pull(key):
                        self._make(tasks.get(name).for_body(body), key)
        return here

    def makes(self, name: str, key: str, body: str = "") -> bool:
        """Whether this machine has some data, or would have it by preparing it, a source of text for a body."""
        self._settle()
        if (self.root / key).is_dir() or self._bucket is not None:
            return True
        try:
            return self._would_make(tasks.get(name).for_body(body), key)
        except RequestError:
            return False

    @property
    def _bucket(self) -> Folder | None:
        return Folder(self.data_root) if bucket.is_url(self.data_root) else None

    def _settle(self) -> None:
        """Let this process find the user's own tasks, also on a machine that has not the files."""
        if all(Path(path).exists() for path, _ in self.own):
            return
        paths = []
        for path, text in self.own:
            name = f"{hashlib.sha256(text.encode()).hexdigest()[:12]}{Path(path).suffix}"
            place = self.root / ".own" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary = place.with_suffix(f".{os.getpid()}.tmp")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(place)
            paths.append(str(place))
        os.environ[tasks.OWN] = os.pathsep.join(paths)

    def _pull(self, key: str) -> bool:
        """Bring prepared data from the bucket, whole or not at all; returns whether it was there."""
        there = self._bucket
        if there is None or not there.holds(f"{key}/{store.META}"):
            return False

        def pull(folder: Path) -> None:
            there.pull_folder(key, folder)
            store.load(folder.parent, folder.name).verify()

        store.whole(self.root / key, pull)
        return True

    def _would_make(self, task: Task, key: str) -> bool:
        return store.origin(task, self.root, self.preset).key == key

    def _make(self, task: Task, key: str) -> None:
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
