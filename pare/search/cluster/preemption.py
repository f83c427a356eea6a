"""Ray's notice that a node will be taken away, as a spot instance is."""

from __future__ import annotations

import contextlib
import threading
import time

import ray

from pare.search.cluster import ray_internals

LOOK = 2.0
"""Seconds between two looks; a notice comes a minute or two ahead."""


class PreemptionWatcher:
    """Says whether the node of this process will be taken away. A thread looks; asking costs nothing."""

    def __init__(self) -> None:
        self._given = False
        threading.Thread(target=self._watch, name="notice", daemon=True).start()

    def __call__(self) -> bool:
        return self._given

    def _watch(self) -> None:
        here = ray.get_runtime_context().get_node_id()
        while not self._given:
            with contextlib.suppress(Exception):  # without a notice a trial goes back to its last epoch
                self._given = here in ray_internals.draining_nodes()
            time.sleep(LOOK)
