"""Shows a sweep's runs in TensorBoard: the command line that starts it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from pare.errors import RequestError
from pare.layout import SweepDir

FLAGS = ("--load_fast", "false")
"""TensorBoard's fast reader holds every file open, and shows no more runs than files it may open: 504 with 512."""


def command(out: Path) -> list[str]:
    """Return the command that shows the runs of the sweep in `out`, for `subprocess.run` or `os.execv`.

    Raises:
        RequestError: there are no runs in `out`.
    """
    logdir = SweepDir(out).tensorboard
    if not logdir.is_dir():
        raise RequestError(f"{out} holds no TensorBoard runs ({logdir} is missing): give the --out of a sweep")
    return [sys.executable, "-m", "tensorboard.main", *FLAGS, "--logdir", str(logdir)]


def line(out: Path) -> str:
    """Return the same as a line for a shell in which `tensorboard` is found."""
    return shlex.join(["tensorboard", *FLAGS, "--logdir", str(SweepDir(out).tensorboard)])
