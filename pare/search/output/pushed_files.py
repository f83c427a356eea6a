"""What of a workspace lies in the bucket: remembered from session to session, and noted push by push."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from pare import files

_STATE, _NOTES = ".mirror.json", ".mirror.log"

Stamp = list[int]
"""When a file was last written, in ns, and its bytes; of a study also its log's."""


class PushedFiles:
    """The files of the workspace `out` that the bucket has, by name, and how they were when they were pushed."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self.workspace = ""
        """Identifies the workspace; empty where there was none."""
        self.folders: dict[str, set[str]] = defaultdict(set)
        """The names, by folder."""
        self._stamps: dict[str, Stamp] = {}
        self._load()

    def start(self) -> None:
        """Begin as a workspace of which the bucket has nothing."""
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
        """Write all of it down; `note` goes on from there."""
        files.write_text(self._out / _STATE, json.dumps({"workspace": self.workspace, "pushed": self._stamps}))
        (self._out / _NOTES).unlink(missing_ok=True)

    def note(self, names: Iterable[str]) -> None:
        """Write down what has changed of some files."""
        lines = [f"{json.dumps([name, self._stamps.get(name)])}\n" for name in names]
        if lines:
            with (self._out / _NOTES).open("a") as file:
                file.writelines(lines)

    def _load(self) -> None:
        try:
            state = json.loads((self._out / _STATE).read_text())
            stamps = dict(state["pushed"])
            if (self._out / _NOTES).exists():
                for line in (self._out / _NOTES).read_text().split("\n")[:-1]:  # the last one may be half written
                    name, stamp = json.loads(line)
                    stamps[name] = stamp
            self.workspace = str(state["workspace"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        for name, stamp in stamps.items():
            if stamp is not None:
                self.add(name, stamp)
