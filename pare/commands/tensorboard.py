"""`pare tensorboard OUT`: run TensorBoard on the trials of a sweep."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from pare import bucket
from pare.errors import RequestError
from pare.layout import TENSORBOARD
from pare.reporting.tensorboard import board
from pare.search.output import directory

_HELP = """Usage: pare tensorboard OUT [OPTIONS OF TENSORBOARD]

Compare the trials of the sweep in OUT, a directory or a folder in a bucket such as s3://bucket/run, in TensorBoard at
http://localhost:6006; --port gives another port. Only this machine reaches it; --host 0.0.0.0 lets others. It shows a
thousand runs also where a process may open 1,024 files only."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Replace this process by TensorBoard; return 0 after help and 2 if there is no sweep in OUT."""
    out, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if out in ("--help", "-h"):
        print(_HELP)
        return 0
    try:
        words = _command(out, rest)
    except RequestError as error:
        print(f"pare tensorboard: {error}", file=sys.stderr)
        return 2
    sys.stdout.flush()
    return _become(words)


def _become(words: list[str]) -> NoReturn:
    os.execv(words[0], words)  # noqa: S606 - no shell


def _command(out: str, options: Sequence[str]) -> list[str]:
    """Return TensorBoard's command line.

    Raises:
        RequestError: there is no sweep in `out`.
    """
    runs = f"{out.rstrip('/')}/{TENSORBOARD}" if bucket.is_url(out) else str(directory.existing(out).tensorboard)
    program = [sys.executable, "-m", "tensorboard.main", *board.FLAGS, "--host", "127.0.0.1"]
    return [*program, "--logdir", runs, *options]
