"""Connects a sweep to Ray, and divides the cluster's resources into slots for trials."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray

from pare import bucket
from pare.data import parallel
from pare.errors import ClusterError, RequestError
from pare.search import interruption
from pare.search.cluster import prices
from pare.search.request import Request
from pare.training.workers import Workers

# Passed to every actor: Ray reads some of them in the driver only.
ENVIRONMENT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # delay until a finished worker group is noticed; 2 s by default
    "RAY_AIR_NEW_OUTPUT": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}

_LOOK = 10.0
"""Seconds between two polls of the cluster's nodes."""

_SMALL = 0.25
"""GPUs of a trial of the package's bodies, of which one leaves most of a card idle."""


@dataclass(frozen=True)
class Slots:
    """The slots for trials: the workers of each slot, and the number of slots."""

    workers: Workers
    concurrent: int


def connect(address: str | None, **resources: int) -> None:
    """Connect to the Ray cluster at `address`, or start Ray on this machine, on loopback only and quietly.

    `resources` (num_cpus, num_gpus) override what a Ray started here would detect.

    Raises:
        RequestError: nothing answers at the address.
        ClusterError: Ray does not start on this machine.
    """
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", **ENVIRONMENT}
    try:
        if address and address not in ("auto", "local"):
            parallel.knock(address)
        ray.init(
            # `local` starts a Ray of our own even where RAY_ADDRESS or a running one would be found.
            address=address or "local",
            log_to_driver=False,
            logging_level="error",
            configure_logging=True,
            runtime_env={"env_vars": ENVIRONMENT | bucket.environment()},
            **resources,
        )
        interruption.install()
    except (OSError, ValueError) as error:
        if address in (None, "local"):
            why = " ".join(str(error).split())
            remedy = (
                f"set RAY_TMPDIR to a short one, such as /tmp (it is {_directory()})"
                if "AF_UNIX" in why
                else "mend that"
            )
            raise RequestError(f"Ray does not start on this machine ({why}): {remedy}") from None
        raise RequestError(
            f"--address is {address!r}: no Ray answers there ({error}); leave it out to start one"
        ) from None
    except Exception as error:  # Ray raises this if a busy machine takes longer than half a minute
        if address not in (None, "local"):
            raise
        why = " ".join(str(error).split())
        raise ClusterError(f"Ray did not start ({why}): run this again when the machine has less to do") from error


def _directory() -> str:
    return os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()


def disconnect() -> None:
    """Leave the cluster, or stop the Ray that `connect` started; do nothing if there is neither."""
    ray.shutdown()


def nodes() -> list[Mapping[str, Any]]:
    """The nodes of the connected cluster, as `ray.nodes()` lists them."""
    found: list[Mapping[str, Any]] = ray.nodes()
    return found


def price(request: Request, nodes: Callable[[], Sequence[Mapping[str, Any]]]) -> Callable[[], float]:
    """Return a function that returns the current dollars per hour of all nodes; it polls every ten seconds.

    `nodes` returns them in the format of `ray.nodes()`.

    Raises:
        RequestError: there is a cap in dollars, and the price of a node is unknown.
    """
    _, unknown = prices.per_hour(nodes())
    if request.max_usd is not None and unknown:
        raise RequestError(
            f"--max-usd is {request.max_usd:g}: nobody knows the price of {', '.join(unknown)}; give its node type the "
            f"label {prices.PRICE_LABEL} in the cluster's YAML, or cap --max-hours"
        )
    known, looked = 0.0, -math.inf

    def per_hour() -> float:
        nonlocal known, looked
        if time.monotonic() - looked > _LOOK:
            known, looked = prices.per_hour(nodes())[0], time.monotonic()
        return known

    return per_hour


def present() -> list[Mapping[str, float]]:
    """Return the resources of each node of the connected cluster."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def slots(request: Request, nodes: Sequence[Mapping[str, float]]) -> Slots:
    """Divide nodes with these resources into equal slots for the request's trials.

    Raises:
        RequestError: a trial needs more than the cluster or any node has; the message names the largest possible.
    """
    cpus, gpus = (sum(node.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU"))
    count = request.workers_per_trial
    wanted = request.gpus_per_trial if request.gpus_per_trial is not None else _share(request) * bool(gpus)
    if wanted > gpus:
        raise RequestError(f"--gpus-per-trial is {wanted:g}: the cluster has {gpus:g} GPUs; give at most that")
    share = wanted / count
    if share > 1 and share != int(share):
        raise RequestError(f"--gpus-per-trial {wanted:g} over {count} workers: give a multiple of the workers")
    if count > cpus or (share and sum(node.get("GPU", 0) // share for node in nodes) < count):
        most = int(cpus if not share else min(cpus, sum(node.get("GPU", 0) // share for node in nodes)))
        raise RequestError(f"--workers-per-trial is {count}: the cluster holds {most} workers of {share:g} GPUs")
    held = int(min(cpus // count, gpus // wanted if wanted else float("inf")))
    concurrent = request.max_concurrent or held
    if concurrent > held:
        raise RequestError(f"--max-concurrent is {concurrent}: the cluster holds {held} such trials; give at most that")
    # Whole CPUs, so that trials do not compete for a core, as many as the nodes hold; a single slot gets a whole node.
    most = int(cpus // (concurrent * count))
    each = next((each for each in range(most, 1, -1) if holds(nodes, each, share) >= concurrent * count), 1)
    return Slots(Workers(count, float(each), share), concurrent)


def _share(request: Request) -> float:
    """Return the GPUs that a trial gets if the request does not say."""
    small = request.preset == "laptop" and request.body is None and request.workers_per_trial == 1
    return _SMALL if small else float(request.workers_per_trial)


def holds(nodes: Sequence[Mapping[str, float]], cpus: int, gpus: float) -> float:
    """Return how many workers of that size the nodes hold."""
    return sum(min(node.get("CPU", 0) // cpus, node.get("GPU", 0) // gpus if gpus else math.inf) for node in nodes)
