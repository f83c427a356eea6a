"""The command behind every script in `sweeps/`: resolve the request, execute its jobs, publish the results."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pare import bucket, tasks
from pare.errors import BucketError, ClusterError, RequestError, is_disk_full
from pare.method import catalogue
from pare.search.interruption import GOES_ON, INTERRUPTED, TERMINATED, Interruption, sigterm_as_ctrl_c
from pare.search.output import directory
from pare.search.request import Preset, PresetName, Request, parse
from pare.terminal import print_anywhere

if TYPE_CHECKING:
    from pare.search.output.bucket_sync import BucketSync


def main(
    name: str,
    description: str,
    presets: Mapping[PresetName, Preset],
    arguments: Sequence[str] | None = None,
    kind: type[Request] = Request,
) -> int:
    """Run the sweep that the command line asks for; return the exit code.

    0: finished. 1: something failed that should not have. 2: the request is wrong or cannot be met, told in a line.
    130: interrupted by Ctrl-C, 143 by SIGTERM; the same command goes on.
    """
    print_anywhere()
    with sigterm_as_ctrl_c() as interruption:
        code = _main(name, description, presets, arguments, kind, interruption)
    return TERMINATED if code == INTERRUPTED and interruption.terminated else code


def _main(
    name: str,
    description: str,
    presets: Mapping[PresetName, Preset],
    arguments: Sequence[str] | None,
    kind: type[Request],
    interruption: Interruption,
) -> int:
    try:
        request = parse(name, description, sys.argv[1:] if arguments is None else arguments, kind)
        if request is None:
            return 0
        outcome = run(name, request.ready(), presets, Console())
        if not outcome.finished:
            print(GOES_ON)
            return INTERRUPTED
        return 1 if outcome.failures else 0
    except KeyboardInterrupt:
        print(GOES_ON)
        return INTERRUPTED
    except Exception as error:
        if interruption.terminated:  # the signal may have ended Ray's processes too
            print(GOES_ON)
            return INTERRUPTED
        if is_disk_full(error):
            where = getattr(error, "filename", None) or "the disk of --out or --data-root"
            print(f"{name}: {where} is full: free some space; the same command goes on from here", file=sys.stderr)
            return 1
        if not isinstance(error, RequestError | ClusterError | BucketError):
            raise
        print(f"{name}: {error}", file=sys.stderr)
        return 2 if isinstance(error, RequestError) else 1


@dataclass(frozen=True)
class Outcome:
    """How a session of a sweep ended; without `finished` it was interrupted, and the same request goes on."""

    out: Path
    finished: bool = True
    failures: int = 0
    """Confirmations that failed, which should be 0."""


def run(name: str, request: Request, presets: Mapping[PresetName, Preset], console: Console) -> Outcome:
    """Run the sweep of a request to its end, a cap or Ctrl-C, with its progress on the console.

    Raises:
        RequestError: the request is wrong or cannot be met.
        ClusterError: the cluster no longer gives what the sweep needs.
        BucketError: the bucket of the sweep is unreachable, or another sweep took it.
    """
    for task in request.tasks:
        tasks.require(task)
    if request.body:
        catalogue.require_body(request.body)
    if request.data_root and bucket.is_url(request.data_root):
        bucket.reach(request.data_root, "--data-root")
    if request.space:
        from pare.search.space import base  # with Optuna

        base.show(request, presets, console)
        return Outcome(Path(request.out or "."))
    with _output(name, request, console) as (out, mirror):
        return _in_steps(name, request, presets, out, mirror, console)


def _in_steps(
    name: str,
    request: Request,
    presets: Mapping[PresetName, Preset],
    out: Path,
    mirror: BucketSync | None,
    console: Console,
) -> Outcome:
    # Imported only now: with torch, Optuna and Ray they take seconds, and the refusals above should not wait for them.
    from pare.reporting.progress import SweepProgress
    from pare.search.execute import execute
    from pare.search.executor import executor_of
    from pare.search.publish import publish, write_report
    from pare.search.resolve import resolve

    with executor_of(request, console) as executor:
        with SweepProgress(console=console) as progress:
            remote = mirror.remote if mirror else None
            resolved = resolve(name, request, presets, out, remote, executor, progress)
            if request.plan:
                from pare.search import estimate

                estimate.tell(resolved, executor, progress)
                return Outcome(out)
            execute(resolved, executor, progress, mirror)
        if not resolved.sweep.finished:
            # Ctrl-C: the running trials have ended, and the next session resumes from their checkpoints.
            write_report(resolved)
            return Outcome(out, finished=False)
        publish(resolved, mirror, console)
        return Outcome(out, failures=resolved.sweep.failures)


@contextmanager
def _output(name: str, request: Request, console: Console) -> Iterator[tuple[Path, BucketSync | None]]:
    """Lock the sweep's directory and yield it; for a bucket, yield the local workspace and its `BucketSync`."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    given = request.out or f"runs/{name}"
    if bucket.is_url(given):
        from pare.search.output.bucket_sync import BucketSync

        remote = bucket.reach(given, "--out")
        out = directory.writable(remote.workspace)
        with directory.lock(out), BucketSync(remote, out, request.fresh, say) as mirror:
            yield out, mirror
    else:
        out = directory.writable(Path(given))
        if request.fresh and (aside := directory.archive_previous(out)):
            say(f"the earlier sweep now lies in {aside}")
        with directory.lock(out):
            yield out, None
