"""Withdraws the sweep's request to the autoscaler if its process dies.

Ray keeps what was asked of its autoscaler until somebody asks for something else, whoever asked being alive or not, and
the nodes are billed. So a process of its own holds the other end of a pipe: the kernel closes the sweep's end however
the sweep ends.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import Self


class ReleaseOnExit:
    """While the context lasts: should this process be killed, the cluster at `address` is asked for nothing more."""

    def __init__(self, address: str) -> None:
        self._command = [sys.executable, "-m", "pare.search.cluster.release_on_exit", address]

    def __enter__(self) -> Self:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            self._command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
        )
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            self._process.communicate(b"over\n")


def main(address: str) -> None:
    """Wait until the sweep ends; if it did not say that it is over, ask for nothing in its place."""
    if not sys.stdin.buffer.read():
        # Imported now only: it would hold memory for nothing as long as the sweep lasts.
        import ray
        from ray.autoscaler.sdk import request_resources

        ray.init(address=address, log_to_driver=False, logging_level="error")
        request_resources(bundles=[])


if __name__ == "__main__":
    main(*sys.argv[1:])
