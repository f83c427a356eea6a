"""What telling of a trial costs, as a share of its time.

    python -m tests.bench.driver.reporting [DATA_ROOT | --pauses N …]

A whole trial of the laptop preset, ECG and Darcy, in this process and without Ray: the time spent in looking at the
model (arrays for pictures), in handing a report to the tables and to TensorBoard, drawing included, and in writing
`report.html`, in processor seconds so that other work on the machine does not count. Last, what the event files take.

With `--pauses` it measures what keeps a slot waiting: the sweep of `tests.bench.driver.scale` after N trials, with
pictures, a page and a bucket on this machine (moto's, a process of its own) beside tables and TensorBoard. Trials of
a sixth of a second come one after another; the pause is the time from a trial's end to the slot's next job. Of the
wall time, `asleep` is what the driver neither computed nor waited for a core (by Linux's schedstat): it waited for
the disk, or for the interpreter lock that its threads held.
"""

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import torch
from rich.console import Console
from rich.table import Table

from pare import tasks
from pare.bucket import Folder
from pare.config import Run
from pare.data import store
from pare.reporting import images, report
from pare.reporting.report import Context
from pare.reporting.tables import Tables
from pare.reporting.tensorboard.writer import TensorBoard
from pare.search.output.bucket_sync import BucketSync
from pare.training.loop import train
from pare.training.snapshots import Inspector
from tests.bench.driver import scale
from tests.conftest import quietly
from tests.reporting.fakes import arrays, record

TRIALS = 30
"""Of a sweep of one task, for the size of its event files."""

PAUSES, STEP = 60, 1 / 30
"""Trials of a session whose pauses are measured, and seconds of their epochs."""


class Clock:
    """Processor seconds by what they were spent on."""

    def __init__(self):
        self.spent = {}

    @contextmanager
    def during(self, name):
        began = time.process_time()
        yield
        self.spent[name] = self.spent.get(name, 0.0) + time.process_time() - began


def trial(name, root, out):
    """Run and tell of one trial; returns processor seconds by kind, the whole trial's among them."""
    clock, task = Clock(), tasks.get(name)
    settings = {**task.paper, **task.laptop}
    keys = {
        needed: store.prepare(tasks.get(needed), root, "laptop", quietly).key for needed in (name, settings["source"])
    }
    run = Run(
        task=name,
        data=keys[name],
        body=settings["body"],
        source=settings["source"],
        source_data=keys[settings["source"]],
    ).replace(settings)
    one = replace(record(task=name), config=run.flat())
    board = TensorBoard(out, {tasks.get(name): {}})
    observers: dict[str, Any] = {"tables": Tables(out), "TensorBoard, pictures included": board}
    look = Inspector.look

    def watched(self, *arguments):
        with clock.during("looking"):
            return look(self, *arguments)

    def tell(figures):
        one.epochs, one.objective, one.seconds = figures["epoch"], figures["objective"], figures["seconds"]
        for kind, observer in observers.items():
            with clock.during(kind):
                observer.epoch(one, figures)
                board.flush()
        return True

    for observer in observers.values():
        observer.begin(one)
    images.draw(task, {})
    report.write(out, Context(""))  # what is loaded once is not of a trial
    Inspector.look = watched
    try:
        with tempfile.TemporaryDirectory() as folder, clock.during("whole trial"):
            train(run, root, Path(folder), tell)
    finally:
        Inspector.look = look
    one.state = "complete"
    for kind, observer in observers.items():
        with clock.during(kind):
            observer.end(one)
    with clock.during("report.html, once"):
        report.write(out, Context(""))
    return clock.spent


@contextmanager
def bucket_here():
    """An empty bucket of a store on this machine; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    keys = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= keys | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_EC2_METADATA_DISABLED": "true"}
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        import boto3

        while True:
            with contextlib.suppress(Exception):
                boto3.client("s3").create_bucket(Bucket="pauses")
                break
            time.sleep(0.2)
        yield "s3://pauses"
    finally:
        server.kill()
        server.wait()


def awake():
    """Seconds that this thread has computed or waited for a core."""
    computed, queued, _ = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()
    return (int(computed) + int(queued)) / 1e9


def pauses(count, pictures, bucket):
    """Seconds from each trial's end to the next job, after `count` trials: of wall time, and of them asleep."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        out = Path(folder)
        mirror = stack.enter_context(BucketSync(Folder(bucket), out, False, print)) if bucket else None
        subprocess.run([sys.executable, "-m", "tests.bench.driver.scale", "--populate", out, str(count)], check=True)
        scale.manifest(out)
        sweep, observers = scale.session(out, count + 10 * PAUSES, scale.Clock())
        if mirror:
            sweep.observers.append(mirror)
        drawn = arrays(scale.TASK) if pictures else {}
        job, found = sweep.next(), []
        for _ in range(PAUSES):
            sweep.settle()
            for epoch in range(1, scale.EPOCHS + 1):
                time.sleep(STEP)
                objective = scale.objective(job.record.searched, epoch, job.number) - len(found)
                sweep.report(job.id, scale.figures(epoch, objective) | drawn)  # the best so far: all have pictures
            began, before = time.perf_counter(), awake()
            sweep.end(job.id)
            job = sweep.next()
            took = time.perf_counter() - began
            found.append((took, took - (awake() - before)))
        scale.close(observers)
        observers["TensorBoard"].flush()
    return found


def show_pauses(counts):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table = Table(title="from a trial's end to the slot's next job, ms")
    for name in (
        "after so many trials",
        "pictures",
        "bucket",
        "median",
        "longest",
        "asleep, median",
        "asleep, longest",
    ):
        table.add_column(name, justify="right")
    with bucket_here() as url:
        for count in counts:
            for pictures, bucket in ((False, ""), (True, ""), (True, f"{url}/{count}")):
                found = zip(*pauses(count, pictures, bucket), strict=True)
                times = [f"{1000 * of(each):.0f}" for each in found for of in (statistics.median, max)]
                table.add_row(f"{count:,}", *("yes" if each else "" for each in (pictures, bucket)), *times)
    Console().print(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, metavar="DATA_ROOT")
    parser.add_argument("--pauses", nargs="+", type=int, metavar="N", help="after so many trials")
    arguments = parser.parse_args()
    if arguments.pauses:
        show_pauses(arguments.pauses)
        return
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.root or Path(folder) / "data"
        for name in ("ecg", "darcy"):
            out = Path(folder) / name
            spent = trial(name, root, out)
            whole = spent.pop("whole trial")
            page = spent.pop("report.html, once")
            print(f"{name}: a trial of {whole:.1f} s")
            for kind, seconds in spent.items():
                print(f"  {kind}: {seconds:.3f} s, {seconds / whole:.2%}")
            print(f"  together: {sum(spent.values()) / whole:.2%}")
            print(f"  report.html, once: {page:.2f} s")
            size = sum(file.stat().st_size for file in (out / "tb").rglob("*tfevents*"))
            print(f"  event files: {size / 1e6:.2f} MB; {TRIALS} such trials: {TRIALS * size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
