"""The record of a workspace's uploaded files: kept across sessions, updated with each push."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from pare import files

_STATE, _NOTES = ".mirror.json", ".mirror.log"

Stamp = list[int]
"""Modification time of a file, in ns, and its size in bytes; for a study also those of its log."""


class PushedFiles:
    """The uploaded files of the workspace `out`, by name, with their stamps when they were pushed."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self.workspace = ""
        """Identifier of the workspace; empty if there was none."""
        self.folders: dict[str, set[str]] = defaultdict(set)
        """File names by folder."""
        self._stamps: dict[str, Stamp] = {}
        self._load()

    def start(self) -> None:
        """Start a new workspace, of which nothing is uploaded."""
        self.workspace = uuid.uuid4().hex
        self._stamps.clear()
        self.folders.clear()

    def get(self, name: str) -> Stamp | None:
        return self._stamps.get(name)

    def add(self, name: str, stamp: Stamp) -> None:
        self._stamps[name] = stamp
        self.folders[name.rpartition("/")[0]].add(name)

    def remove(self, name: str) -> None:
        self._stamps.pop(name, None)
        self.folders[name.rpartition("/")[0]].discard(name)

    def save(self) -> None:
        """Write the whole record; `note` appends to it."""
        files.write_text(self._out / _STATE, json.dumps({"workspace": self.workspace, "pushed": self._stamps}))
        (self._out / _NOTES).unlink(missing_ok=True)

    def note(self, names: Iterable[str]) -> None:
        """Append the changed stamps of some files to the record."""
        lines = [f"{json.dumps([name, self._stamps.get(name)])}\n" for name in names]
        if lines:
            with (self._out / _NOTES).open("a") as file:
                file.writelines(lines)

    def _load(self) -> None:
        try:
            state = json.loads((self._out / _STATE).read_text())
            stamps = dict(state["pushed"])
            if (self._out / _NOTES).exists():
                for line in (self._out / _NOTES).read_text().split("\n")[:-1]:  # the last line may be incomplete
                    name, stamp = json.loads(line)
                    stamps[name] = stamp
            self.workspace = str(state["workspace"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        for name, stamp in stamps.items():
            if stamp is not None:
                self.add(name, stamp)
