"""TensorBoard's event files: appended to, continued from an earlier life of a run, and joined at its end."""

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
"""How the files end that earlier versions kept a trial's end in."""

_APPENDING = threading.Lock()
"""An event is written in several pieces."""


def copy(path: Path, wanted: Mapping[str, Container[int]]) -> None:
    """Copy from a trial's earlier files the tags that begin so, each at the steps wanted of it."""
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
    """Take the end of a trial out of one of its event files."""
    if path.name.endswith(_END):  # a file of its own, in earlier versions
        path.unlink()
        return
    events = list(_events([path]))
    kept = [e for e in events if all(value.tag != metadata.SESSION_END_INFO_TAG for value in e.summary.value)]
    if len(kept) < len(events):
        _replace(path, kept)


def join(path: Path) -> None:
    """Make one file of all event files of a run, that of its last life."""
    files = sorted(path.parent.glob("*tfevents*"))
    if len(files) > 1:
        _replace(path, _events(files))
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
    """The name of a new file; TensorBoard reads the files of a run in the order of their names."""
    return f"events.out.tfevents.{time.time_ns():020d}"


def append(path: Path, *contents: Any, step: int = 0) -> None:
    """Append summaries or session logs to an event file, which is made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    now = time.time()
    with _APPENDING, path.open("ab") as file:
        records = RecordWriter(file)
        if file.tell() == 0:
            records.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for content in contents:
            kind = "session_log" if isinstance(content, SessionLog) else "summary"
            records.write(Event(wall_time=now, step=step, **{kind: content}).SerializeToString())
