"""Detects failed set-up of workers in the autoscaler's log: Ray retries it forever and reports it nowhere else."""

from __future__ import annotations

import re
from collections import Counter, deque
from pathlib import Path

ATTEMPTS = 3
"""Failures on one node, or of nodes in a row, after which set-up counts as hopeless: more would fail and be billed."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TIMED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_ENDED = re.compile(
    r"NodeUpdater: (\S+): (Initialization commands|Setup commands|Ray start commands) (failed|succeeded)"
)


class SetupLogMonitor:
    """Follows the autoscaler's log from its current end or, with `past`, from its beginning."""

    def __init__(self, log: Path, past: bool = False) -> None:
        self.failed: dict[str, str] = {}
        """Last lines printed by the set-up, by node, of nodes whose latest set-up failed."""
        self.hopeless = ""
        """The node that reached `ATTEMPTS` failures, and what its set-up printed; empty if there is none."""
        self._log = log
        self._at = log.stat().st_size if log.exists() and not past else 0
        self._rest = b""
        self._printed: deque[str] = deque(maxlen=3)
        self._attempts: Counter[str] = Counter()
        """Number of failures by node since its last successful set-up."""
        self._in_a_row: set[str] = set()
        """Nodes that failed since the last successful set-up of any node."""

    def look(self) -> None:
        """Read the lines added to the log since the last call."""
        if self._log.exists():
            with self._log.open("rb") as file:
                file.seek(self._at)
                new = file.read()
            self._at += len(new)
            *lines, self._rest = (self._rest + new).split(b"\n")
            for line in lines:
                self._read(_COLOURS.sub("", line.decode(errors="replace")).strip())

    def _read(self, line: str) -> None:
        ended = _ENDED.search(line)
        if ended:
            node, what, how = ended.groups()
            if how == "failed":
                self.failed[node] = " / ".join(self._printed) or f"{what} failed"
                self._attempts[node] += 1
                self._in_a_row.add(node)
                if not self.hopeless and max(self._attempts[node], len(self._in_a_row)) >= ATTEMPTS:
                    self.hopeless = f"{node}: {self.failed[node]}"
            elif what == "Ray start commands":
                self.failed.pop(node, None)
                self._attempts.pop(node, None)
                self._in_a_row.clear()
        elif _TIMED.match(line):
            # Ray's own lines begin with the time. A command's output stands between those of its start and its end.
            if "Running `" in line or "Full command is `" in line:
                self._printed.clear()
        elif line and not line.startswith("Shared connection"):
            self._printed.append(line)
