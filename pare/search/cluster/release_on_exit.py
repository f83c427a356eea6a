"""Withdraws the sweep's request to the autoscaler if its process dies.

Ray keeps a request to its autoscaler until the next request, even after the process that made it has died, and the
nodes are billed. So a child process holds the other end of a pipe: the kernel closes the sweep's end however the sweep
ends.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import Self


class ReleaseOnExit:
    """Withdraws the request to the cluster at `address` if this process is killed within the context."""

    def __init__(self, address: str) -> None:
        self._command = [sys.executable, "-m", "pare.search.cluster.release_on_exit", address]

    def __enter__(self) -> Self:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            self._command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
        )
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            self._process.communicate(b"over\n")


def main(address: str) -> None:
    """Wait until the sweep's process ends; withdraw its request unless it said that it is over."""
    if not sys.stdin.buffer.read():
        # Imported only now, so that it holds no memory while the sweep runs.
        import ray
        from ray.autoscaler.sdk import request_resources

        ray.init(address=address, log_to_driver=False, logging_level="error")
        request_resources(bundles=[])


if __name__ == "__main__":
    main(*sys.argv[1:])
