"""What Ray, the study and the tables cost between short trials: `python -m tests.bench.driver.turnover [--slots N]`.

A sweep of short trials on a real Ray, local mode, reused actors; then the same runs, each to the epoch at which the
sweep let it end, by plain processes that know only `pare.training.loop`, one per slot: the floor. Busy is a slot that
trains or validates; model building, checkpoints and, in the sweep, everything between two trials are what it waits for.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ray
from rich.console import Console
from rich.table import Table

from pare import tasks
from pare.config import Run
from pare.data import store
from pare.data.provider import DataProvider
from pare.errors import Stopped
from pare.reporting.tables import Tables
from pare.reporting.tensorboard.writer import TensorBoard
from pare.search import tune
from pare.search.budget import Budget
from pare.search.cluster import connection
from pare.search.plans import TaskPlan
from pare.search.study import space
from pare.search.study.study import Study
from pare.search.sweep import Sweep
from pare.training.loop import train
from pare.training.workers import Workers
from tests.conftest import RECIPES, SETTINGS, quietly

TASK, TRIALS, EPOCHS = "ecg", 24, 2


class Clock:
    """Notes, by the wall clock, when training began and ended, and what of it was training and validation."""

    def __init__(self):
        self.first, self.last, self.busy, self.gaps = None, 0.0, 0.0, []
        self._seconds = {}
        self.records = {}

    def begin(self, record):
        self.records[record.trial] = record

    def epoch(self, record, figures):
        now, before = time.time(), self._seconds.get(record.trial)
        # A report comes when its epoch is over: what the epoch took leads back to its first step.
        began = now - figures["seconds"] + (before or 0.0)
        if self.first is None:
            self.first = began
        elif before is None:
            self.gaps.append(began - self.last)
        self.busy += figures["seconds"] - (before or 0.0)
        self._seconds[record.trial], self.last = figures["seconds"], now

    def end(self, record):
        pass


def sweep(root, out, epochs, slots):
    """Run the sweep; returns its clock."""
    keys = {name: store.prepare(tasks.get(name), root, "laptop", quietly).key for name in (TASK, "signals")}
    settings = SETTINGS[TASK] | {"epochs": epochs}
    run = Run(
        task=TASK, data=keys[TASK], body=settings["body"], source=settings["source"], source_data=keys["signals"]
    ).replace(settings)
    task, searched = tasks.get(TASK), space.for_run(run, tasks.get(TASK).modality)
    (out / TASK).mkdir(parents=True)
    url = f"sqlite:///{out}/{TASK}/study.db"
    study = Study(TASK, url, task.metric.direction, run, searched, ("pare",), TRIALS, seed=0)
    plan = TaskPlan(task, store.load(root, run.data), study, seeds=())
    clock = Clock()
    observers = [Tables(out), TensorBoard(out, {task: searched.domains()}), clock]
    # By itself Ray runs its workers at niceness 15: a busy machine would starve them, and not the plain processes.
    os.environ.setdefault("RAY_worker_niceness", "0")
    connection.connect(None, num_cpus=slots)
    supply = DataProvider(str(root), "laptop")
    tune.run(Sweep([plan], out, observers, slots, 0, Budget(out / "spent.json")), Workers(), supply, out / ".ray")
    ray.shutdown()
    return clock


def plain(root, jobs):
    """Train runs one after another, each to its own last epoch; the clock of it."""
    clock = Clock()
    for number, (settings, epochs) in enumerate(jobs):
        record = argparse.Namespace(trial=number)

        def report(figures, record=record, epochs=epochs):
            clock.epoch(record, figures)
            return figures["epoch"] < epochs

        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Stopped):
            train(Run.from_flat(settings), root, Path(folder), report)
    return clock


def processes(root, jobs, slots):
    """The same by a process per slot; their clocks."""
    command = [sys.executable, "-m", "tests.bench.driver.turnover", "--plain", str(root)]
    # As an actor of one CPU has it.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(slots)
    ]
    for slot, child in enumerate(children):
        child.stdin.write(json.dumps(jobs[slot::slots]))
        child.stdin.close()
    return [argparse.Namespace(**json.loads(child.stdout.read())) for child in children]


def row(name, began, ended, clocks, slots):
    first, last = min(clock.first for clock in clocks), max(clock.last for clock in clocks)
    busy, gaps = sum(clock.busy for clock in clocks), [gap for clock in clocks for gap in clock.gaps]
    # Of several slots of a sweep, nobody knows which one a trial waited for.
    idle = f"{statistics.median(gaps):.3f}" if slots == 1 or len(clocks) > 1 else "-"
    return (
        name,
        f"{ended - began:.1f}",
        f"{first - began:.1f}",
        f"{last - first:.1f}",
        f"{busy / slots:.1f}",
        f"{busy / slots / (last - first):.0%}",
        idle,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=1, help="trials at the same time, a core each")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the longest trial")
    parser.add_argument("--plain", metavar="ROOT", type=Path, help=argparse.SUPPRESS)  # a process of the floor
    arguments = parser.parse_args()
    if arguments.plain:
        clock = plain(arguments.plain, json.load(sys.stdin))
        print(json.dumps({name: getattr(clock, name) for name in ("first", "last", "busy", "gaps")}))
        return
    slots = arguments.slots
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "data", Path(folder) / "out"
        (root / TASK / "raw").mkdir(parents=True)
        tasks.get(TASK).write_synthetic(root / TASK / "raw", RECIPES[TASK], quietly)
        load = os.getloadavg()[0]
        times = [time.time()]
        clock = sweep(root, out, arguments.epochs, slots)
        times.append(time.time())
        jobs = [(record.config, record.epochs) for record in clock.records.values()]
        floor = processes(root, jobs, slots)
        times.append(time.time())
    table = Table(title=f"{TRIALS} trials of at most {arguments.epochs} epochs, {slots} at a time")
    table.add_column("run by")
    for column in ("whole s", "start s", "trials s", "busy s", "busy", "idle s"):
        table.add_column(column, justify="right")
    table.add_row(*row("Ray", times[0], times[1], [clock], slots))
    table.add_row(*row("plain", times[1], times[2], floor, slots))
    Console().print(table)
    print(f"load of the machine before it: {load:.1f} on {os.cpu_count()} cores; idle: between two trials, median")


if __name__ == "__main__":
    main()
