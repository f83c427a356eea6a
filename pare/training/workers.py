"""The workers of a run, and the mailbox between a run and its follower.

It imports little: the mailbox of a worker group is a process of its own on the head.
"""

from __future__ import annotations

import queue
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Workers:
    """Resources of a run: `count` workers with `cpus` CPUs and `gpus` GPUs each; GPUs may be a fraction."""

    count: int = 1
    cpus: float = 1.0
    gpus: float = 0.0


class Mailbox:
    """Queues of a run's reports and their answers. The last report is `None`, or an exception if the run failed."""

    def __init__(self) -> None:
        self._reports: queue.Queue[Figures | Exception | None] = queue.Queue()
        self._answers: queue.Queue[bool] = queue.Queue()
        self._over = False

    def report(self, figures: Figures) -> bool:
        """Send a report and block for the answer; False after the run has ended."""
        if self._over:
            return False
        self._reports.put(dict(figures))
        return self._answers.get()

    def end(self, error: Exception | None = None) -> None:
        self._over = True
        self._reports.put(error)

    def take(self) -> Figures | Exception | None:
        """Wait for the next report and return it."""
        return self._reports.get()

    def answer(self, go_on: bool) -> None:
        self._answers.put(go_on)
