"""Ray's notice that a node will be taken away, as a spot instance is."""

from __future__ import annotations

import contextlib
import threading
import time

import ray
from ray._private.state import state

LOOK = 2.0
"""Seconds between two looks; a notice comes a minute or two ahead."""


class PreemptionWatcher:
    """Whether the node of this process must go. Asking costs nothing; a thread looks."""

    def __init__(self) -> None:
        self._given = False
        threading.Thread(target=self._watch, name="notice", daemon=True).start()

    def __call__(self) -> bool:
        return self._given

    def _watch(self) -> None:
        here = ray.get_runtime_context().get_node_id()
        while not self._given:
            # Not public: Ray Train alone passes it on, and to worker groups only. Without it a trial goes back to its
            # last epoch.
            with contextlib.suppress(Exception):
                self._given = here in state.get_draining_nodes()
            time.sleep(LOOK)
