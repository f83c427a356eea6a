"""Parts of a data set made on all cores, in order: by Ray tasks where Ray is connected to, else by threads.

Whoever reads a task need not know which. A part carries the bytes that it is made from, so that only this process
reads the official files: the nodes of a cluster need not see them, and no disk is read by many at once.
"""

import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pare.errors import RequestError

_AHEAD = 2
"""Parts under way or waiting, for each core."""

_Part = TypeVar("_Part")
_Made = TypeVar("_Made")
_Pool = tuple[int, Callable[[Any], Callable[[], Any]]]
"""The number of parts made at the same time, and a function that submits one and returns what waits for its result."""


def ordered(make: Callable[..., _Made], parts: Iterable[_Part], *shared: Any) -> Iterator[_Made]:
    """`make(part, *shared)` of each part, in order; parts are asked for as they are needed, a few for each core.

    `make` is a function of a module, and its arguments and results can be pickled; what is `shared` is sent once.

    Raises:
        RequestError: Ray lost a part for good. What `make` raises comes through as it is.
    """
    pool = _tasks if connected() else _threads
    waiting: deque[Callable[[], _Made]] = deque()
    with pool(make, shared) as (workers, submit):
        for part in parts:
            waiting.append(submit(part))
            if len(waiting) > _AHEAD * workers:
                yield waiting.popleft()()
        while waiting:
            yield waiting.popleft()()


def connected() -> bool:
    """Whether this process is the driver of a connected Ray; it does not import Ray to find out.

    Nor may a worker of Ray's: it holds the very CPUs that its work would wait for.
    """
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized() and ray.get_runtime_context().worker.mode == ray.SCRIPT_MODE


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Connect to the Ray at `address`, or to one started here, for as long as the context lasts.

    Raises:
        RequestError: nothing answers at the address.
    """
    import ray

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    try:
        if address and address != "auto":
            knock(address)
        # `local` starts a Ray of our own, on the loopback only, even where RAY_ADDRESS or a running one would be found.
        own: dict[str, Any] = {"address": address} if address else {"address": "local", "include_dashboard": False}
        ray.init(**own, log_to_driver=False, logging_level="error")
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise RequestError(
            f"--address is {address!r}: no Ray answers there ({reason}); leave it out to start one"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def knock(address: str) -> None:
    """Check that something listens at `host:port` or `ray://host:port`; Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host, int(port)), timeout=10).close()


def _threads(make: Callable[..., Any], shared: tuple[Any, ...]) -> AbstractContextManager[_Pool]:
    """Threads, as numpy hardly ever needs the interpreter."""

    @contextmanager
    def pool() -> Iterator[_Pool]:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        with ThreadPoolExecutor(workers) as executor, threadpool_limits(1, "blas"):
            yield workers, lambda part: executor.submit(make, part, *shared).result

    return pool()


def _tasks(make: Callable[..., Any], shared: tuple[Any, ...]) -> AbstractContextManager[_Pool]:
    """Ray tasks of one CPU each."""
    import ray

    task = ray.remote(make)
    sent = [ray.put(each) for each in shared]

    def submit(part: Any) -> Callable[[], Any]:
        reference = task.remote(part, *sent)

        def result() -> Any:
            try:
                return ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.RayError as error:
                reason = str(error).strip().partition("\n")[0]
                raise RequestError(f"Ray lost a part of the data ({reason}): prepare on fewer CPUs or again") from error

        return result

    @contextmanager
    def pool() -> Iterator[_Pool]:
        yield max(1, int(ray.cluster_resources().get("CPU", 1))), submit

    return pool()
