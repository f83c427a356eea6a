"""What a trial costs the driver after 100, 1,000 and 10,000 others: `python -m tests.bench.driver.scale [--ray]`.

The sweep, its study and its observers without Ray, and nothing is trained: a history of N trials is written, a session
resumes it and runs some more. Processor seconds of this process, and ratios to the smallest N: a busy machine moves
both ends of them. The pause is the wall time from a trial's end to the slot's next job. `--ray` measures how soon the
slots of a real Ray are at work, and how much of their time (`tests.bench.driver.slots`).
"""

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import psutil
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table

from pare import tasks
from pare.config import Run
from pare.reporting.records import Record
from pare.reporting.scalars import FIGURES
from pare.reporting.tables import Tables
from pare.reporting.tensorboard.writer import TensorBoard
from pare.search.budget import Budget
from pare.search.plans import TaskPlan
from pare.search.report_writer import ReportWriter
from pare.search.study import space
from pare.search.study.halving import METHOD
from pare.search.study.space import to_run
from pare.search.study.storage import Database
from pare.search.study.study import Study
from pare.search.sweep import Sweep
from tests.bench.draws import near

TASK, EPOCHS, LIVE = "ecg", 5, 40
"""Of every trial, and how many trials of the session are measured."""

BASE = Run(
    task=TASK, data="d", body="roberta-mini", source="signals", source_data="s", epochs=EPOCHS, patch=40, mix_weight=0.1
)
SPACE = space.for_run(BASE, "1d")
COUNTED = [name for name in FIGURES if not name.startswith("otdd")]


def figures(epoch, objective):
    """Twenty figures of an epoch."""
    own = {name: 0.1 + epoch / (7 + place) for place, name in enumerate(COUNTED)}
    own |= {
        "epoch": epoch,
        "objective": objective,
        "val_metric": objective,
        "samples": 100 * epoch,
        "seconds": 2.0 * epoch,
    }
    return own


def objective(values, epoch, number):
    """Best in the upper half of one interval; falls over the epochs; chance on top."""
    distance = np.log10(values["optimizer.lr.body"] / BASE.optimizer.lr.body) - 0.5
    return float(0.2 * (1 + distance**2 + 1 / epoch + 0.1 * np.random.default_rng((number, epoch)).random()))


def history(count):
    """Ended trials as Optuna keeps them: a third ran to the end, the others were cut after an epoch."""
    published = SPACE.published(BASE, "pare")
    distributions = {dimension.name: dimension.values for dimension in SPACE.dimensions}
    begun = datetime(2026, 1, 2)
    for number in range(count):
        values = near(SPACE, published, "pare", np.random.default_rng(number))
        run = BASE.replace({**to_run(values), "method": "pare"})
        reached = 1 if number % 3 else EPOCHS
        reported = {epoch: objective(values, epoch, number) for epoch in range(1, reached + 1)}
        rungs = {f"completed_rung_{rung}": reported[step] for rung, step in enumerate((1, 3)) if step in reported}
        trial = optuna.create_trial(
            state=TrialState.PRUNED if number % 3 else TrialState.COMPLETE,
            value=reported[reached],
            params=values,
            distributions={name: distributions[name] for name in values},
            intermediate_values=reported,
            user_attrs={METHOD: "pare", "run": json.dumps(run.flat())},
            system_attrs=rungs,
        )
        trial.number = number
        trial.datetime_start = begun + timedelta(seconds=number)
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=60)
        yield trial


def populate(out, count):
    """Leave a sweep of so many ended trials in `out`."""
    (out / TASK).mkdir(parents=True)
    database, tables = Database(TASK, url(out), "minimize"), Tables(out)
    for trial in history(count):
        database.add(trial)
        config = json.loads(trial.user_attrs["run"])
        record = Record(
            tasks.get(TASK), f"pare-{trial.number:04d}", "pare", "search", 0, "simulated", "pretrained", config,
            trial.datetime_start.replace(tzinfo=UTC), searched=trial.params,
        )  # fmt: skip
        tables.begin(record)
        for epoch, value in trial.intermediate_values.items():
            record.epochs, record.objective, record.seconds = epoch, value, 2.0 * epoch
            tables.epoch(record, figures(epoch, value))
        record.state = "complete" if trial.state == TrialState.COMPLETE else "pruned"
        record.ended = trial.datetime_complete.replace(tzinfo=UTC)
        tables.end(record)
    database.settle()
    tables.close()


def manifest(out):
    """What the report reads of a sweep's record."""
    machine = {"system": "", "resources": {}}
    (out / "sweep.json").write_text(json.dumps({"request": {}, "versions": {}, "machine": machine, "commit": None}))


def url(out):
    return f"sqlite:///{out}/{TASK}/study.db"


class Clock:
    """Processor seconds by what they were spent on."""

    def __init__(self):
        self.spent = {}

    @contextmanager
    def during(self, name):
        began = time.process_time()
        yield
        self.spent[name] = self.spent.get(name, 0.0) + time.process_time() - began

    def watch(self, name, each, *methods):
        """Time an object's methods from now on."""
        for method in methods:
            setattr(each, method, self._timed(name, getattr(each, method)))
        return each

    def _timed(self, name, call):
        def timed(*arguments, **options):
            with self.during(name):
                return call(*arguments, **options)

        return timed


def session(out, trials, clock, html=True, concurrent=1, **options):
    """Open the sweep in `out` for so many trials; returns it and what is to be closed."""
    task = tasks.get(TASK)
    with clock.during("resume"):
        study = Study(TASK, url(out), "minimize", BASE, SPACE, ("pare",), trials, 0, **options)
        plan = TaskPlan(task, SimpleNamespace(provenance="simulated"), study, seeds=())
        observers = {"tables": Tables(out), "TensorBoard": TensorBoard(out, {tasks.get(TASK): SPACE.domains()})}
        if html:
            observers["report.html"] = ReportWriter(out, "nas360", [plan])
    clock.watch("ask", study, "ask")
    clock.watch("report", study, "report", "complete", "prune", "settle")
    for name, observer in observers.items():
        clock.watch(name, observer, "begin", "epoch", "end")
    return Sweep([plan], out, list(observers.values()), concurrent, 0.0, Budget(out / "spent.json")), observers


def work(sweep, job, count):
    """Run so many jobs to their last epoch, whatever the verdict; returns the next, and the seconds in between."""
    pauses = []
    for _ in range(count):
        sweep.settle()
        for epoch in range(1, EPOCHS + 1):
            sweep.report(job.id, figures(epoch, objective(job.record.searched, epoch, job.number)))
        began = time.perf_counter()
        sweep.end(job.id)
        job = sweep.next()
        pauses.append(time.perf_counter() - began)
    return job, pauses


def measure(count, html=True, live=LIVE, apart=True, **options):
    """The figures of a session after so many trials."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        if apart:  # what this process frees would be taken again, and counted for nothing
            subprocess.run(
                [sys.executable, "-m", "tests.bench.driver.scale", "--populate", out, str(count)], check=True
            )
        else:
            populate(out, count)
        manifest(out)
        gc.collect()
        memory = psutil.Process().memory_info().rss
        sweep, observers = session(out, count + 10 * live, clock, html, **options)
        gc.collect()
        memory = psutil.Process().memory_info().rss - memory
        gc.freeze()  # as `execute` does
        resume = clock.spent.pop("resume")
        job, _ = work(sweep, sweep.next(), 2)
        clock.spent.clear()
        before, began = written(), time.process_time()
        _, pauses = work(sweep, job, live)
        spent = 1000 * (time.process_time() - began) / live
        wrote = (written() - before) / live
        gc.unfreeze()
        close(observers)
        began, size = time.process_time(), None
        if html:
            size = observers["report.html"].write().stat().st_size
        report = time.process_time() - began
    parts = {name: 1000 * seconds / live for name, seconds in clock.spent.items()}
    return {
        "driver, ms a trial": spent,
        **{f"  {name}": value for name, value in parts.items()},
        "longest pause, ms": 1000 * max(pauses),
        "written, kB a trial": wrote / 1e3,
        "resume, s": resume,
        "memory, kB a trial": memory / 1e3 / count,
        **({"report.html, s": report, "report.html, MB": size / 1e6} if html else {}),
    }


def close(observers):
    observers["tables"].close()
    if "report.html" in observers:
        observers["report.html"].close()


def written():
    """Bytes that this process has written so far."""
    counters = psutil.Process().io_counters()
    return getattr(counters, "write_chars", counters.write_bytes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", nargs="+", type=int, default=[100, 1000, 10_000], help="trials that have ended")
    parser.add_argument("--ray", action="store_true", help="slots of a real Ray on pretended CPUs instead")
    parser.add_argument("--slots", type=int, default=16, help="with --ray")
    parser.add_argument("--seconds", type=float, default=8.0, help="with --ray: length of a trial")
    parser.add_argument("--start", type=float, default=9.0, help="with --ray: what an actor takes to import")
    parser.add_argument("--populate", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--no-html", dest="html", action="store_false", help="leave report.html out")
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--scheduler", default="asha")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if arguments.populate:
        populate(Path(arguments.populate[0]), int(arguments.populate[1]))
        return
    if arguments.ray:
        from tests.bench.driver import slots  # Ray takes its time to import

        with tempfile.TemporaryDirectory() as folder:
            Console().print(slots.measure(folder, arguments.slots, arguments.seconds, arguments.start))
        return
    measure(20, arguments.html)  # what is loaded once is not of a trial
    found = {
        n: measure(n, arguments.html, sampler=arguments.sampler, scheduler=arguments.scheduler)
        for n in arguments.trials
    }
    first, last = min(found), max(found)
    table = Table(title=f"the driver beside {TASK}, {EPOCHS} reports a trial, nothing trained")
    table.add_column("after so many trials")
    for count in arguments.trials:
        table.add_column(f"{count:,}", justify="right")
    table.add_column("growth", justify="right")
    for name in found[first]:
        row = [found[n].get(name, 0.0) for n in arguments.trials]
        ratio = found[last].get(name, 0.0) / found[first][name] if found[first][name] else float("nan")
        table.add_row(name, *(f"{value:.3g}" for value in row), f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
