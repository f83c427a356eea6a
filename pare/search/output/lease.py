"""The lease on a sweep's folder in a bucket: renewed every 5 s, expired after 120 s without a renewal."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pare.bucket import Folder
from pare.errors import BucketError, RequestError

NAME = ".owner"
RENEWED = 5.0
"""Seconds between two renewals."""

SILENT = 120.0
"""Seconds without a renewal after which the lease expires."""


class Lease:
    """This sweep's lease on a folder: `acquire` it, `check` it while the sweep runs, `release` it.

    The lease names the owner's local workspace: a sweep with the last owner's workspace need not download anything.
    """

    def __init__(self, remote: Folder) -> None:
        self._remote = remote
        self._session = uuid.uuid4().hex
        self._claim: dict[str, Any] = {}
        self._lost = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def wait_until_free(self, workspace: str, say: Callable[[str], None]) -> str:
        """Wait until the folder is free; return the workspace of its last owner, empty if there was none.

        `workspace` is this sweep's own, which nobody else uses while its lock is held. `say` announces a wait.

        Raises:
            RequestError: another sweep holds the folder; the message names it.
        """
        earlier = self._read()
        if not earlier or earlier.get("released") or earlier.get("workspace") == workspace or _gone(earlier):
            return str((earlier or {}).get("workspace", ""))
        if (age := self._remote.age(NAME)) < SILENT:
            say(f"{earlier.get('who')} swept there {age:.0f} s ago: looking whether it still does")
        while (age := self._remote.age(NAME)) < SILENT:
            time.sleep(min(RENEWED / 2, max(SILENT - age, 0.1)))
            if self._read() != earlier:
                raise RequestError(
                    f"--out is {str(self._remote)!r}: a sweep is at work there ({earlier.get('who')}); wait, or give "
                    "another"
                )
        return str(earlier.get("workspace", ""))

    def acquire(self, workspace: str) -> None:
        """Take the lease and start to renew it."""
        self._claim = {
            "who": f"process {os.getpid()} on {platform.node()} since {datetime.now():%Y-%m-%d %H:%M}",
            "machine": _machine(),
            "process": os.getpid(),
            "session": self._session,
            "workspace": workspace,
            "renewed": 0,
        }
        self._write()
        self._thread.start()

    def check(self) -> None:
        """Raise BucketError if another sweep has taken the folder."""
        if self._lost:
            raise BucketError(self._lost)

    def stop(self) -> None:
        """Stop renewing the lease."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def release(self) -> None:
        """Release the folder to the next sweep."""
        self.stop()
        self._claim["released"] = True
        self._write()

    def _renew(self) -> None:
        while not self._over.wait(RENEWED):
            try:
                found = self._read()
                if found and found.get("session") != self._session:
                    self._lost = f"{self._remote} is another sweep's by now ({found.get('who')}), this one ends"
                    return
                self._claim["renewed"] += 1
                self._write()
            except OSError:
                continue  # the next renewal shows whether the bucket came back in time

    def _read(self) -> Mapping[str, Any] | None:
        try:
            found = json.loads(self._remote.read(NAME) or b"null")
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def _write(self) -> None:
        self._remote.write(NAME, json.dumps(self._claim).encode())


def _machine() -> str:
    return f"{platform.node()}-{uuid.getnode():x}"


def _gone(claim: Mapping[str, Any]) -> bool:
    """Whether the lease belongs to a dead process of this machine."""
    if claim.get("machine") != _machine():
        return False
    try:
        os.kill(int(claim["process"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, KeyError, ValueError):
        return False
    return False
