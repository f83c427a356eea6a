"""The processes of a study: each takes a job, answers, and takes the next."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from pare import tasks
from tests.bench.study.plan import Line, Plan
from tests.bench.study.worker import Job, Place, work

DIED = "the process died"

_MOST_LOST = 4
"""Processes that are replaced by one on the same device."""


class Fleet:
    """Processes on devices; as they start at once, they import while data is prepared."""

    def __init__(self, devices: Sequence[str], place: Place) -> None:
        self._place = place
        self._of: dict[Connection, BaseProcess] = {}
        self._device: dict[Connection, str] = {}
        self._lost = 0
        for device in devices:
            self._start(device)

    def _start(self, device: str) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        visible = os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        # A process sees what it is started with, whatever its libraries ask before it can say otherwise.
        if device == "cpu" or visible is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = "" if device == "cpu" else str(visible)
        process = context.Process(target=work, args=(theirs, self._place, tasks.definitions()), daemon=True)
        process.start()
        theirs.close()
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        if visible is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = visible
        self._of[ours], self._device[ours] = process, device
        return ours

    def run(self, plan: Plan, until: float, lines: Sequence[Line]) -> Iterator[tuple[Job, Line]]:
        """Give out jobs until none is left or time is over; yields each with its answer."""
        busy: dict[Connection, Job] = {}
        idle = deque(self._of)
        while True:
            waiting: list[Connection] = []
            while idle and time.time() < until:
                connection = idle.popleft()
                job = plan.next(lines, list(busy.values()), self._device[connection])
                if job is None:
                    waiting.append(connection)
                    continue
                busy[connection] = job
                connection.send(job)
            idle.extend(waiting)
            if not busy:
                return
            ready = wait(list(busy), timeout=min(60.0, max(0.1, until - time.time())))
            if not ready and time.time() >= until:
                return
            for connection in [one for one in busy if one in ready]:
                job = busy.pop(connection)
                try:
                    answer = connection.recv()
                except (EOFError, OSError):
                    answer = {"error": DIED}
                if "error" in answer:
                    answer["device"] = self._device[connection]
                    if not answer.get("refused"):
                        plan.again(job)
                        connection = self._recovered(connection, answer)
                idle.append(connection)
                yield job, answer

    def _recovered(self, connection: Connection, answer: Line) -> Connection:
        """Replace a process that may be broken; a card that fails time and again leaves its work to the cores."""
        device = self._device[connection]
        if device == "cpu" and answer["error"] != DIED:
            return connection
        self._of.pop(connection).terminate()
        self._lost += 1
        return self._start(device if self._lost <= _MOST_LOST else "cpu")

    def close(self) -> None:
        for connection, process in self._of.items():
            connection.close()
            process.terminate()
