"""Run a command on a Ray cluster's head once its GPU workers are there.

python cluster/with_workers.py 2 -- python sweeps/nas360.py --address auto …

A cluster that scales from nothing has no GPU until somebody asks for one. This asks Ray's autoscaler for that many
GPUs, waits until they have joined, runs the command, and lets the workers go when it ends. Set-up that fails on the
workers, which Ray repeats without end and without a word, ends it with what the set-up said.

Exit codes: the command's own; 2 if the workers cannot be had, said in one line.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import ray
from ray.autoscaler.sdk import request_resources

LOGS = Path("/tmp/ray/session_latest/logs")  # noqa: S108 - where Ray has them
FAILURES = 2
"""So many failed set-ups are no accident: what follows would fail as well, and be billed."""


_FAILED = re.compile(r"NodeUpdater: (\S+): ((?:Initialization|Setup|Ray start) commands) failed")
_TIMED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def main(arguments: Sequence[str] | None = None) -> int:
    """Wait for the workers, run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gpus", type=int, help="GPUs to wait for, in all")
    parser.add_argument("--timeout", type=float, default=30, metavar="MINUTES", help="give up after this [30]")
    parser.add_argument("command", nargs="+", help="after --: what to run")
    options = parser.parse_args(arguments)
    ray.init(address="auto", log_to_driver=False, logging_level="error")
    try:
        request_resources(bundles=[{"GPU": 1}] * options.gpus)
        problem = _wait(options.gpus, options.timeout)
        if problem:
            print(f"with_workers: {problem}", file=sys.stderr)
            return 2
        return subprocess.run(options.command, check=False).returncode  # noqa: S603 - the user's own command
    finally:
        request_resources(bundles=[])


def _wait(gpus: int, minutes: float) -> str | None:
    """Wait until the cluster has so many GPUs; returns why it will not, or None."""
    deadline, earlier = time.monotonic() + 60 * minutes, len(failed_setups(LOGS))
    while (present := ray.cluster_resources().get("GPU", 0)) < gpus:
        failed = failed_setups(LOGS)[earlier:]
        if len(failed) >= FAILURES:
            return f"set-up fails on the workers ({failed[-1]}); mend the cluster YAML, then `ray up` and try again"
        if time.monotonic() > deadline:
            return f"{present:g} of {gpus} GPUs after {minutes:g} minutes: see `ray status`, or give a longer --timeout"
        time.sleep(2)
    return None


def failed_setups(logs: Path) -> list[str]:
    """For each failed set-up in the autoscaler's log in this folder: the node, and the last lines that it printed."""
    try:
        text = (logs / "monitor.out").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()]
    failed = []
    for at, line in enumerate(lines):
        if found := _FAILED.search(line):
            # Ray's own lines begin with the time; between them stands what the commands printed.
            printed = list(itertools.takewhile(lambda each: not _TIMED.match(each), reversed(lines[:at])))
            words = [each for each in printed if each and not each.startswith("Shared connection")][:3]
            failed.append(f"{found[1]}: {' / '.join(reversed(words)) or found[2] + ' failed'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
