"""The workers of a sweep on an autoscaling cluster: requests them, waits for them, watches them and releases them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ray
from ray.autoscaler.sdk import request_resources
from ray.autoscaler.v2.sdk import get_cluster_status
from rich.console import Console

from pare.errors import ClusterError, RequestError
from pare.search.cluster import autoscaler, connection, ray_internals
from pare.search.cluster.autoscaler import HEAD, Autoscaler
from pare.search.cluster.connection import Slots
from pare.search.cluster.release_on_exit import ReleaseOnExit
from pare.search.cluster.setup_log import SetupLogMonitor
from pare.search.request import Request
from pare.training.workers import Workers

LOOK = 2.0
"""Seconds between two polls of the cluster."""
SETTLE = 120.0
"""Seconds from the first free slot until a sweep starts with the slots present."""
PATIENCE = 600.0
"""Seconds without a slot and without a node starting until a sweep ends."""
AT_MOST = 1800.0
"""Seconds without a slot until a sweep ends, even while nodes are starting."""

Places = Callable[[], int]
"""Returns how many trials the nodes hold now."""


@contextmanager
def gathered(request: Request, console: Console) -> Iterator[tuple[Slots, Places | None]]:
    """Wait for all slots, or `SETTLE` seconds after the first; print progress.

    Yields the request's slots on the connected cluster and, if that scales, a function that returns how many of them it
    holds now. The request to the autoscaler stands while the context lasts, so that lost nodes are replaced, and is
    withdrawn however the context ends, so that idle nodes are released.

    Raises:
        RequestError: the cluster could never hold what is asked for, or no worker comes.
    """
    at_work = autoscaler.at_work() if request.address not in (None, "local") else None
    if at_work is None:
        yield connection.slots(request, connection.present()), None
        return
    if not at_work.on_demand:
        # The machines' resources are known once the first has joined.
        Nodes(at_work, Slots(Workers(1, 1.0, 0.0), 1)).wait(console, "first worker")
    slots = connection.slots(request, at_work.reach(ray.nodes()))
    nodes = Nodes(at_work, slots)
    with nodes.asked():
        nodes.wait(console)
        yield slots, nodes.places


class Nodes:
    """The nodes that hold the slots of an autoscaling cluster."""

    def __init__(self, autoscaler: Autoscaler, slots: Slots) -> None:
        self._autoscaler, self._slots = autoscaler, slots
        self._address = ray.get_runtime_context().gcs_address
        log = ray_internals.logs() / "monitor.out"
        # Own machines were set up when the cluster started, and Ray never retries those that failed.
        self._setups = SetupLogMonitor(log, past=not autoscaler.on_demand)
        self._began = time.time()
        self._places = self._starting = 0
        self._looked = -LOOK
        now = time.monotonic()
        self._held, self._moved = now, now
        """Times at which there last was a slot, and at which there last was a slot or a starting node."""
        self._refused = ""
        """The cloud's message at its latest failure to launch a node."""

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Request all slots from the autoscaler while the context lasts."""
        if not self._autoscaler.on_demand:
            yield
            return
        with ReleaseOnExit(self._address):
            request_resources(bundles=self._bundles())
            try:
                yield
            finally:
                request_resources(bundles=[])

    def _bundles(self) -> list[dict[str, float]]:
        """Return what all slots need: a slot's workers in one piece, as far as machines hold whole slots."""
        workers, nodes = self._slots.workers, self._autoscaler.reach(ray.nodes())
        count = workers.count
        whole = int(connection.holds(nodes, int(workers.cpus) * count, workers.gpus * count))
        whole = min(whole, self._slots.concurrent)

        def bundle(size: int) -> dict[str, float]:
            return {"CPU": workers.cpus * size} | ({"GPU": workers.gpus * size} if workers.gpus else {})

        return [bundle(count)] * whole + [bundle(1)] * (count * (self._slots.concurrent - whole))

    def wait(self, console: Console, who: str = "workers") -> None:
        """Wait for all slots, or for some if the others are late; print progress.

        Raises:
            RequestError: no slot will come; the message says why.
        """
        first, said, wanted = None, "", self._slots.concurrent
        with console.status("looking for workers") as status:
            while True:
                try:
                    places = self.places()
                except ClusterError as error:
                    raise RequestError(str(error)) from None
                if places and first is None:
                    first = time.monotonic()
                late = first is not None and time.monotonic() - first > SETTLE
                final = not self._autoscaler.on_demand and not self._starting
                over = places >= wanted or (places > 0 and (late or final))
                line = f"{who}: {places} of {wanted} places for trials ready"
                line += f", {self._starting} nodes starting" if self._starting else ""
                line += f", set-up failed on {failed}" if (failed := self._failed()) else ""
                line += "; the sweep starts, the others join as they come" if over and places < wanted else ""
                if line != said:
                    status.update(line)
                    if over or not console.is_terminal:
                        console.print(line, highlight=False, soft_wrap=True)
                if over:
                    return
                said = line
                time.sleep(LOOK)

    def places(self) -> int:
        """Return how many trials the nodes hold now. It polls every other second, and may be called at any time.

        Raises:
            ClusterError: there is no slot and none will come, or the workers' set-up fails, which Ray would retry and
                the cloud would bill forever.
        """
        now = time.monotonic()
        if now - self._looked < LOOK:
            return self._places
        workers = self._slots.workers
        held = int(connection.holds(connection.present(), int(workers.cpus), workers.gpus) // workers.count)
        self._looked, self._places = now, min(held, self._slots.concurrent)
        self._setups.look()
        self._starting = self._on_their_way()
        if self._places:
            self._held = now
        if self._places or self._starting:
            self._moved = now
        if why := self._hopeless():
            raise ClusterError(
                f"set-up fails on the workers ({why}): mend the cluster's YAML, `ray up`, and run this again"
            )
        if now - self._moved > PATIENCE or now - self._held > AT_MOST:
            why = self._refused or "`ray status` on the head says more"
            minutes = (now - self._held) / 60
            raise ClusterError(f"no worker has come for {minutes:.0f} minutes ({why}): try again later")
        return self._places

    def _hopeless(self) -> str:
        """Return why the workers cannot be set up; empty if they can, or if those present suffice."""
        if self._autoscaler.on_demand:
            return self._setups.hopeless
        return "" if self._places or self._starting else self._failed()

    def _failed(self) -> str:
        return ", ".join(f"{node}: {printed}" for node, printed in self._setups.failed.items())

    def _on_their_way(self) -> int:
        """Return how many nodes are starting."""
        if not self._autoscaler.on_demand:
            there = sum(HEAD not in node for node in connection.present())
            return max(self._autoscaler.most - there - len(self._setups.failed), 0)
        status = get_cluster_status(self._address)
        for failed in status.failed_launches:
            if failed.details and (failed.failed_ts_s or 0) >= self._began:
                self._refused = " ".join(failed.details.split())
        return len(status.pending_nodes)
