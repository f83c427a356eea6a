"""Watches for Ray's notice that a node, such as a spot instance, will be preempted."""

from __future__ import annotations

import contextlib
import threading
import time

import ray

from pare.search.cluster import ray_internals

LOOK = 2.0
"""Seconds between two polls; the notice comes a minute or two before the preemption."""


class PreemptionWatcher:
    """Tells whether this process's node will be preempted. A thread polls, so that asking is free."""

    def __init__(self) -> None:
        self._given = False
        threading.Thread(target=self._watch, name="notice", daemon=True).start()

    def __call__(self) -> bool:
        return self._given

    def _watch(self) -> None:
        here = ray.get_runtime_context().get_node_id()
        while not self._given:
            with contextlib.suppress(Exception):  # without a notice a trial resumes from its last epoch
                self._given = here in ray_internals.draining_nodes()
            time.sleep(LOOK)
