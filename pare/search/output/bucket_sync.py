"""Uploads a sweep's local workspace to its folder in a bucket while the sweep runs.

The upload order survives a crash: snapshot the studies, upload the rest, upload the snapshots. The tables record a
trial's end before the study does, so no study in the bucket has an end that its tables lack.

The size of an upload depends on what changed, not on what the workspace holds. Tables grow by parts. A study is
uploaded whole when a session begins and when it ends; in between only its journal is, from which the next session
brings the study up to date. Only TensorBoard runs whose trials have reported are scanned.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pare import bucket
from pare.bucket import Folder
from pare.errors import BucketError, is_disk_full
from pare.layout import MANIFEST, RUNNING, STUDY, TENSORBOARD
from pare.reporting.parts import FOLDER
from pare.reporting.records import Record
from pare.search.output.directory import LOCK
from pare.search.output.lease import NAME as OWNER_FILE
from pare.search.output.lease import Lease
from pare.search.output.pushed_files import PushedFiles, Stamp
from pare.search.study import journal
from pare.search.study.storage import catch_up

EVERY = 5.0
"""Seconds between two uploads of the changes."""


_LOOKS = 4
"""Number of pushes that scan a TensorBoard run after its trial has reported."""


class BucketSync:
    """Keeps `remote` equal to `out` while the context lasts; also an observer of trials.

    At the beginning `out` holds what the last session left in the bucket, whichever machine that ran on. The next push
    retries a failed upload.

    Raises:
        RequestError: another sweep is at work in the bucket.
        BucketError: the bucket cannot be reached at the end, or another sweep took it.
    """

    def __init__(self, remote: Folder, out: Path, fresh: bool, say: Callable[[str], None]) -> None:
        self.remote = remote
        self._out, self._fresh, self._say = out, fresh, say
        self._lease = Lease(remote)
        self._pushed = PushedFiles(out)
        self._copied: set[str] = set()
        """Studies that this session has uploaded whole."""
        self._tasks: set[str] = set()
        self._told: dict[str, int] = {}
        """Number of pushes still to scan each TensorBoard folder."""
        self._dropped: list[str] = []
        self._over = threading.Event()
        self._pushing = threading.Lock()
        self._thread = threading.Thread(target=self._follow, name="mirror", daemon=True)

    def __enter__(self) -> Self:
        last = self._lease.wait_until_free(self._pushed.workspace, self._say)
        ours = bool(last) and last == self._pushed.workspace and not self._fresh
        if not ours:
            self._pushed.start()
        self._lease.acquire(self._pushed.workspace)
        try:
            if not ours:
                self._begin()
        except BaseException:
            self._lease.stop()
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        try:
            self._lease.check()
            self.push()
            self._drop_journals()
            self.push()
            self._pushed.save()
            self._lease.release()
        except (OSError, BucketError) as problem:
            self._lease.stop()
            if error is not None:
                return
            if isinstance(problem, BucketError) or is_disk_full(problem):
                raise
            raise BucketError(
                f"{self.remote} cannot be reached ({bucket.reason(problem)}): everything lies in {self._out}; the same "
                "command on this machine takes it there"
            ) from None

    def begin(self, record: Record) -> None:
        self._tell(record)

    def epoch(self, record: Record, figures: Mapping[str, Any]) -> None:  # noqa: ARG002
        self._tell(record)

    def end(self, record: Record) -> None:
        """Delete an ended trial's checkpoints; runs after the search may go on from theirs, and keep their models."""
        self._tell(record)
        if record.purpose == "search":
            self.drop(f"{record.task}/{RUNNING}/{record.trial}")

    def _tell(self, record: Record) -> None:
        """Let the next pushes scan a trial's TensorBoard run; several do, because its pictures follow later."""
        self._lease.check()
        runs = f"{TENSORBOARD}/{record.task}"
        if runs not in self._tasks:
            self._tasks.add(runs)
            self._told[runs] = _LOOKS
        self._told[f"{runs}/{record.trial}"] = _LOOKS

    def drop(self, folder: str) -> None:
        """Delete a folder of the bucket after the next push, once the study there records that the trial has ended."""
        self._dropped.append(folder)

    def push(self, whole: bool = True) -> None:
        """Upload what has changed since the last push; without `whole`, skip what takes long to scan.

        That skips TensorBoard runs whose trials have not reported, and studies whose journal holds the changes.
        """
        with self._pushing, tempfile.TemporaryDirectory(prefix="pare-mirror-") as place:
            dropped, self._dropped = self._dropped, []
            told = dict(self._told)
            copies: dict[str, tuple[Stamp, Path]] = {}
            for name in self._studies(whole):
                stamp, copy = _stamp(self._out / name), Path(place) / str(len(copies))
                if stamp != self._pushed.get(name):
                    (_copy_database if name.endswith(STUDY) else shutil.copyfile)(self._out / name, copy)
                    copies[name] = stamp, copy
            there, looked = self._look(whole, told)
            changed = {name: stamp for name, stamp in there.items() if stamp != self._pushed.get(name)}
            done: list[str] = []
            try:
                bucket.at_once(lambda name: done.extend(self._push(self._out / name, name, changed[name])), changed)
                for name, (stamp, copy) in copies.items():
                    done += self._push(copy, name, stamp)
                gone = self._gone(looked)
                self.remote.delete(gone)
                for name in gone:
                    self._pushed.remove(name)
                done += gone
                bucket.at_once(lambda folder: (self.remote / folder).delete_all(), dropped)
            except OSError:
                self._dropped += dropped
                raise
            finally:
                self._pushed.note(done)
            for run, left in told.items():
                if self._told[run] == left:  # its trial has not reported meanwhile
                    self._told[run] -= 1
                    if not self._told[run]:
                        del self._told[run]

    def _follow(self) -> None:
        while not self._over.wait(EVERY):
            # If an error persists, the last push raises it.
            with contextlib.suppress(OSError, sqlite3.Error, BucketError):
                self._lease.check()
                self.push(whole=False)

    def _begin(self) -> None:
        """Replace the workspace by the contents of the bucket; with `fresh`, move those aside instead."""
        for path in self._out.iterdir():
            if not path.name.startswith(LOCK):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        there = self.remote.holds(MANIFEST)
        if there and self._fresh:
            aside = self.remote.move_aside()
            aside.delete([OWNER_FILE])
            self._say(f"the earlier sweep now lies in {aside}")
        elif there:
            names = [name for name in self.remote.files() if _follows(name)]
            bucket.at_once(lambda name: self.remote.pull(name, self._out / name), names)
            for name in names:
                self._pushed.add(name, _stamp(self._out / name))
            for study in self._out.glob(f"*/{STUDY}"):
                if journals := journal.files(study.parent / FOLDER):
                    catch_up(study, journals)
            self._drop_journals()
        self._pushed.save()

    def _drop_journals(self) -> None:
        """Remove the studies' journals from the workspace; the next push removes them from the bucket."""
        for folder in self._out.glob(f"*/{FOLDER}"):
            for path in journal.files(folder):
                path.unlink()
            with contextlib.suppress(OSError):  # the folder may hold parts of tables
                folder.rmdir()

    def _studies(self, whole: bool) -> list[str]:
        """List the journals, then the studies that are to be uploaded whole."""
        found = []
        for study in sorted(self._out.glob(f"*/{STUDY}")):
            journals = [path.relative_to(self._out).as_posix() for path in journal.files(study.parent / FOLDER)]
            found += journals
            name = study.relative_to(self._out).as_posix()
            if whole or not journals or name not in self._copied:
                found.append(name)
        return found

    def _look(self, whole: bool, told: Iterable[str]) -> tuple[dict[str, Stamp], set[str]]:
        """List the workspace's files except studies and journals, and the TensorBoard folders that were scanned."""
        found: dict[str, Stamp] = {}
        looked: set[str] = set()

        def look(folder: Path, files: Iterable[str]) -> None:
            for file in files:
                name = (folder / file).relative_to(self._out).as_posix()
                if _follows(name) and file != STUDY and not file.startswith(journal.PREFIX):
                    with contextlib.suppress(FileNotFoundError):
                        found[name] = _stamp(folder / file)

        for folder, folders, files in os.walk(self._out):
            if not whole and Path(folder) == self._out and TENSORBOARD in folders:
                folders.remove(TENSORBOARD)
            look(Path(folder), files)
        for run in () if whole else told:
            if (own := self._out / run).is_dir():
                looked.add(run)
                look(own, [entry.name for entry in os.scandir(own) if entry.is_file()])
        return found, {*self._pushed.folders} if whole else looked

    def _gone(self, looked: set[str]) -> list[str]:
        """List the uploaded files that the workspace no longer has, except in TensorBoard folders not scanned."""
        folders = {folder for folder in self._pushed.folders if not folder.startswith(TENSORBOARD)} | looked
        names = (name for folder in folders for name in self._pushed.folders.get(folder, ()))
        return [name for name in names if not (self._out / name).exists()]

    def _push(self, path: Path, name: str, stamp: Stamp) -> list[str]:
        """Push a file; return its name, or nothing if it no longer exists."""
        with contextlib.suppress(FileNotFoundError):
            self.remote.push(path, name)
            self._pushed.add(name, stamp)
            if name.endswith(STUDY):
                self._copied.add(name)
            return [name]
        return []


def _follows(name: str) -> bool:
    """Whether a file of the workspace is uploaded, by its name."""
    parts = name.split("/")
    log = parts[-1].startswith(f"{STUDY}-")  # a log of SQLite's
    return not log and not any(part.startswith(".") for part in parts) and RUNNING not in parts[1:2]


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    stamp = [status.st_mtime_ns, status.st_size]
    with contextlib.suppress(FileNotFoundError):
        # Recent transactions may still be in the write-ahead log beside the study.
        log = path.with_name(f"{path.name}-wal").stat()
        stamp += [log.st_mtime_ns, log.st_size]
    return stamp


def _copy_database(path: Path, copy: Path) -> None:
    """Copy the database as it is between two transactions, whoever writes to it."""
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
