"""Handles SIGTERM, which batch systems send before SIGKILL, like Ctrl-C, with a deadline."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

INTERRUPTED = 130
"""Exit code after Ctrl-C, by the convention of shells."""

TERMINATED = 143
"""Exit code after SIGTERM, by the convention of shells."""

GOES_ON = "interrupted: the same command goes on from here"

_GRACE = 20.0
"""Seconds for an orderly end; schedulers allow 30. Then the process ends as if killed, which loses nothing needed."""


@dataclass
class Interruption:
    """Whether this process was told to end by SIGTERM."""

    terminated: bool = False
    watchdog: threading.Timer | None = None
    """The timer that ends the process when `_GRACE` is over."""


_current: Interruption | None = None


@contextlib.contextmanager
def sigterm_as_ctrl_c() -> Iterator[Interruption]:
    """Let SIGTERM interrupt the context as Ctrl-C would; do nothing in a thread that receives no signals."""
    global _current
    previous, _current = _current, Interruption()
    before = signal.getsignal(signal.SIGTERM)
    try:
        install()
        yield _current
    finally:
        if _current is not None and _current.watchdog is not None:
            _current.watchdog.cancel()
        _current = previous
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def install() -> None:
    """Install the handler of SIGTERM; call it again after a library has replaced the handler (`ray.init` does)."""
    if _current is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    if _current is None or _current.terminated:
        return
    _current.terminated = True
    _current.watchdog = threading.Timer(_GRACE, _end)
    _current.watchdog.daemon = True
    _current.watchdog.start()
    if callable(signal.getsignal(signal.SIGINT)):
        signal.raise_signal(signal.SIGINT)
    else:
        # What a script starts in the background ignores Ctrl-C.
        raise KeyboardInterrupt


def _end() -> None:
    print(GOES_ON)
    sys.stdout.flush()
    os._exit(TERMINATED)
