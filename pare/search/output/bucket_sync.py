"""The sweep's directory in a bucket: a workspace on this machine, which the bucket follows while the sweep runs.

What goes to the bucket goes in an order that a lost machine cannot turn into a lie: a copy of the studies is taken,
then everything else is pushed, then that copy. Trials are told to the tables before they are told to the study, so no
study in the bucket knows of an end that its tables lack.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pare import bucket
from pare.bucket import Folder
from pare.errors import BucketError, is_disk_full
from pare.reporting.best_model import RUNNING
from pare.reporting.records import Record
from pare.search.output.directory import LOCK
from pare.search.output.lease import NAME as OWNER_FILE
from pare.search.output.lease import Lease

EVERY = 5.0
"""Seconds between two pushes of what has changed."""

STUDY = "study.db"
_STATE = ".mirror.json"

Stamp = list[int]
"""When a file was last written, in ns, and its bytes; of a study also its log's."""


class BucketSync:
    """Keeps `remote` as `out` is, as long as the context lasts; an observer of trials, too.

    When it begins, `out` holds what the last session left in the bucket, wherever that ran. What fails meanwhile is
    tried again at the next push.

    Raises:
        RequestError: another sweep is at work in the bucket.
        BucketError: at the end, the bucket cannot be reached; or another sweep took it.
    """

    def __init__(self, remote: Folder, out: Path, fresh: bool, say: Callable[[str], None]) -> None:
        self.remote = remote
        self._out, self._fresh, self._say = out, fresh, say
        self._owner = Lease(remote)
        self._workspace, self._pushed = _load(out)
        self._dropped: list[str] = []
        self._over = threading.Event()
        self._pushing = threading.Lock()
        self._thread = threading.Thread(target=self._follow, name="mirror", daemon=True)

    def __enter__(self) -> Self:
        last = self._owner.take(self._workspace, self._say)
        ours = bool(last) and last == self._workspace and not self._fresh
        if not ours:
            self._workspace, self._pushed = uuid.uuid4().hex, {}
        self._owner.hold(self._workspace)
        try:
            if not ours:
                self._begin()
        except BaseException:
            self._owner.stop()
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        try:
            self._owner.check()
            self.push()
            self._owner.release()
        except (OSError, BucketError) as problem:
            self._owner.stop()
            if error is not None:
                return
            if isinstance(problem, BucketError) or is_disk_full(problem):
                raise
            raise BucketError(
                f"{self.remote} cannot be reached ({bucket.reason(problem)}): everything lies in {self._out}; the same "
                "command on this machine takes it there"
            ) from None

    def begin(self, record: Record) -> None:  # noqa: ARG002
        self._owner.check()

    def epoch(self, record: Record, figures: Mapping[str, Any]) -> None:  # noqa: ARG002
        self._owner.check()

    def end(self, record: Record) -> None:
        """A trial is over: its checkpoints go, but for a confirmation's, whose model may be the one to keep."""
        self._owner.check()
        if record.purpose != "confirm":
            self.drop(f"{record.task}/{RUNNING}/{record.trial}")

    def drop(self, folder: str) -> None:
        """Delete a folder of the bucket after the next push: only then does the study there know that it may go."""
        self._dropped.append(folder)

    def push(self) -> None:
        """Take to the bucket what has changed since the last push."""
        with self._pushing, tempfile.TemporaryDirectory(prefix="pare-mirror-") as place:
            dropped, self._dropped = self._dropped, []
            copies = {}
            for number, (name, stamp) in enumerate(self._changed(studies=True)):
                copies[name] = stamp, Path(place) / f"{number}.db"
                _copy_database(self._out / name, copies[name][1])
            changed = dict(self._changed(studies=False))
            try:
                bucket.at_once(lambda name: self._push(self._out / name, name, changed[name]), changed)
                for name, (stamp, copy) in copies.items():
                    self._push(copy, name, stamp)
                gone = [name for name in self._pushed if not (self._out / name).exists()]
                self.remote.delete(gone)
                for name in gone:
                    del self._pushed[name]
                bucket.at_once(lambda folder: (self.remote / folder).delete_all(), dropped)
            except OSError:
                self._dropped += dropped
                raise
            finally:
                if changed or copies:
                    self._remember()

    def _follow(self) -> None:
        while not self._over.wait(EVERY):
            # Whatever it was, the last push meets it again and tells.
            with contextlib.suppress(OSError, sqlite3.Error, BucketError):
                self._owner.check()
                self.push()

    def _begin(self) -> None:
        """Make the workspace what the bucket holds: of whichever machine the last session was."""
        for path in self._out.iterdir():
            if not path.name.startswith(LOCK):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        there = self.remote.holds("sweep.json")
        if there and self._fresh:
            aside = self.remote.move_aside()
            aside.delete([OWNER_FILE])
            self._say(f"the earlier sweep now lies in {aside}")
        elif there:
            names = [name for name in self.remote.files() if _follows(name)]
            bucket.at_once(lambda name: self.remote.pull(name, self._out / name), names)
            self._pushed = {name: _stamp(self._out / name) for name in names}
        self._remember()

    def _changed(self, studies: bool) -> Iterator[tuple[str, Stamp]]:
        for folder, _, files in os.walk(self._out):
            for file in files:
                path = Path(folder, file)
                name = path.relative_to(self._out).as_posix()
                if _follows(name) and (file == STUDY) == studies:
                    with contextlib.suppress(FileNotFoundError):
                        if (stamp := _stamp(path)) != self._pushed.get(name):
                            yield name, stamp

    def _push(self, path: Path, name: str, stamp: Stamp) -> None:
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile
            self.remote.push(path, name)
            self._pushed[name] = stamp

    def _remember(self) -> None:
        temporary = self._out / f"{_STATE}.tmp"
        temporary.write_text(json.dumps({"workspace": self._workspace, "pushed": self._pushed}))
        temporary.replace(self._out / _STATE)


def _follows(name: str) -> bool:
    """Whether a file of the workspace belongs into the bucket, by its name."""
    parts = name.split("/")
    journal = parts[-1].startswith(f"{STUDY}-")
    return not journal and not any(part.startswith(".") for part in parts) and RUNNING not in parts[1:2]


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    stamp = [status.st_mtime_ns, status.st_size]
    with contextlib.suppress(FileNotFoundError):
        # What a study has been told may lie in the log beside it for a while.
        log = path.with_name(f"{path.name}-wal").stat()
        stamp += [log.st_mtime_ns, log.st_size]
    return stamp


def _copy_database(path: Path, copy: Path) -> None:
    """A copy as the database is between two transactions, whoever writes to it."""
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def _load(out: Path) -> tuple[str, dict[str, Stamp]]:
    """What the last session here left: the workspace's identifier, and what of it lay in the bucket."""
    try:
        state = json.loads((out / _STATE).read_text())
        return str(state["workspace"]), dict(state["pushed"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", {}
