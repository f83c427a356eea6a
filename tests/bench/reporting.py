"""What telling of a trial costs, as a share of its time: `python -m tests.bench.reporting [DATA_ROOT]`.

A whole trial of the laptop preset, ECG and Darcy, in this process and without Ray: the time spent in looking at the
model (arrays for pictures), in handing a report to the tables and to TensorBoard, drawing included, and in writing
`report.html`, in processor seconds so that other work on the machine does not count. Last, what the event files take.
"""

import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from pare import tasks
from pare.config import Run
from pare.data import store
from pare.reporting import images, report
from pare.reporting.report import Context
from pare.reporting.tables import Tables
from pare.reporting.tensorboard import TensorBoard
from pare.training.loop import train
from pare.training.snapshots import Inspector
from tests.conftest import quietly
from tests.reporting.fakes import record

TRIALS = 30
"""Of a sweep of one task, for the size of its event files."""


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
    observers = {"tables": Tables(out), "TensorBoard, pictures included": board}
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


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "data"
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
