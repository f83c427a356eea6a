"""Writes TensorBoard's event files: appends to them, continues an earlier session's, and joins them at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.summary.writer.record_writer import RecordWriter

from pare import files

_END = ".end"
"""Suffix of the files in which earlier versions kept a trial's end."""

_VERSION = "brain.Event:2"
"""Version of the format, with which a file begins."""

_APPENDING = threading.Lock()
"""Lock for appending, because an event is written in several pieces."""


def copy(path: Path, wanted: Mapping[str, Container[int]]) -> None:
    """Copy events from a trial's earlier files: `wanted` maps the beginning of a tag to its steps."""
    found: dict[tuple[str, int], Any] = {}
    for event in _events(sorted(file for file in path.parent.glob("*tfevents*") if file < path)):
        for value in event.summary.value:
            if any(value.tag.startswith(start) and event.step in steps for start, steps in wanted.items()):
                one = Event(wall_time=event.wall_time, step=event.step, summary=Summary(value=[value]))
                found[value.tag, event.step] = one
    with _APPENDING, path.open("ab") as file:
        records = RecordWriter(file)
        for event in found.values():
            records.write(event.SerializeToString())


def reopen(path: Path) -> None:
    """Remove the end of a trial from one of its event files."""
    if path.name.endswith(_END):  # earlier versions wrote it to a separate file
        path.unlink()
        return
    events = list(_events([path]))
    kept = [e for e in events if all(value.tag != metadata.SESSION_END_INFO_TAG for value in e.summary.value)]
    if len(kept) < len(events):
        _replace(path, kept)


def join(path: Path) -> None:
    """Join all event files of a run into the newest, `path`, without the steps that a later session repeated.

    TensorBoard would leave these out too, with a warning for each run. The new file begins with a restart at step 0, so
    that a TensorBoard that has read the earlier files shows nothing twice.
    """
    files = sorted(path.parent.glob("*tfevents*"))
    if len(files) > 1:
        kept: list[Any] = []
        for event in _events(files):
            if event.HasField("session_log"):
                kept = [earlier for earlier in kept if earlier.step < event.step]
            elif event.HasField("summary"):
                kept.append(event)
        began = min((event.wall_time for event in kept), default=time.time())
        version = Event(wall_time=began, file_version=_VERSION)
        restart = Event(wall_time=began, session_log=SessionLog(status=SessionLog.START))
        _replace(path, [version, restart, *kept])
        for file in files:
            if file != path:
                file.unlink()


def _replace(path: Path, events: Iterable[Any]) -> None:
    with _APPENDING, files.atomic(path) as temporary, temporary.open("wb") as file:
        records = RecordWriter(file)
        for event in events:
            records.write(event.SerializeToString())


def _events(files: Iterable[Path]) -> Iterator[Any]:
    for file in files:
        for record in RawEventFileLoader(str(file)).Load():
            yield Event.FromString(record)


def name() -> str:
    """Return the name of a new file; TensorBoard reads the files of a run in the order of their names."""
    return f"events.out.tfevents.{time.time_ns():020d}"


def append(path: Path, *contents: Any, step: int = 0) -> None:
    """Append summaries or session logs to an event file, which is created if it does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    now = time.time()
    with _APPENDING, path.open("ab") as file:
        records = RecordWriter(file)
        if file.tell() == 0:
            records.write(Event(wall_time=now, file_version=_VERSION).SerializeToString())
        for content in contents:
            kind = "session_log" if isinstance(content, SessionLog) else "summary"
            records.write(Event(wall_time=now, step=step, **{kind: content}).SerializeToString())
