"""How soon and how long the slots of a cluster are at work: `python -m tests.bench.driver.scale --ray`.

A real Ray on this machine that pretends to have a CPU for each slot, the real sweep, study, tables and TensorBoard, and
actors that sleep instead of importing and training: nothing here depends on the machine but Ray's own processes, whose
start is measured bare in the same run.
"""

import os
import time
from pathlib import Path

import ray
from ray import tune as ray_tune
from rich.table import Table

from pare.data.provider import DataProvider
from pare.search import tune
from pare.search.cluster import connection
from pare.training.workers import Workers
from tests.bench.driver import scale


class Bare:
    """An actor that is ready when it has started, as a trial's does."""

    def __init__(self, start):
        time.sleep(start)

    def ready(self):
        return ray_tune.Trainable is not None  # what a trial's actor imports of Ray's


class Sleeper(ray_tune.Trainable):
    """Starts, then sleeps through the epochs of one trial after another."""

    def setup(self, config):
        time.sleep(float(os.environ["BENCH_START"]))
        self.reset_config(config)

    def reset_config(self, new_config):  # noqa: ARG002
        self.epoch = 0
        return True

    def step(self):
        if self.epoch == scale.EPOCHS:
            return {"done": True}
        began = time.time()
        time.sleep(float(os.environ["BENCH_SECONDS"]) / scale.EPOCHS)
        self.epoch += 1
        figures = scale.figures(self.epoch, 1 / self.epoch)
        return figures | {"actor": os.getpid(), "began": began, "ended": time.time()}

    def save_checkpoint(self, checkpoint_dir):
        pass

    def load_checkpoint(self, checkpoint):
        pass


class Timesheet:
    """An observer that notes when which actor was at work."""

    def __init__(self):
        self.spans = []

    def begin(self, record):
        pass

    def epoch(self, record, figures):  # noqa: ARG002
        self.spans.append((figures["began"], figures["ended"], figures["actor"]))

    def end(self, record):
        pass


def bare(slots, start):
    """Seconds until so many actors that know nothing of a sweep are ready."""
    began = time.time()
    kind = ray.remote(num_cpus=1)(Bare)
    actors = [kind.remote(start) for _ in range(slots)]
    ray.get([actor.ready.remote() for actor in actors])
    took = time.time() - began
    for actor in actors:
        ray.kill(actor)
    return took


def measure(folder, slots, seconds, start, rounds=5, earlier=100):
    """Run a sweep of `rounds` trials a slot, after `earlier` ended ones; a table of how it went."""
    os.environ |= {"BENCH_START": str(start), "BENCH_SECONDS": str(seconds), "RAY_worker_niceness": "0"}
    out = Path(folder)
    scale.populate(out, earlier)
    scale.manifest(out)
    connection.connect(None, num_cpus=slots)
    one, all_ = bare(1, start), bare(slots, start)
    sheet = Timesheet()
    sweep, observers = scale.session(out, earlier + slots * rounds, scale.Clock(), concurrent=slots, scheduler="none")
    sweep.observers.append(sheet)
    began, used = time.time(), time.process_time()
    tune.run(sweep, Workers(1, 1, 0), DataProvider(str(out), "laptop"), out / ".ray", actor=Sleeper)
    used = time.process_time() - used
    ray.shutdown()
    scale.close(observers)
    first = {}
    for start_, _, actor in sorted(sheet.spans):
        first.setdefault(actor, start_)
    filled = sorted(first.values())[slots - 1] if len(first) >= slots else float("nan")
    # Until the first slot finds nothing more to do.
    last = {actor: max(end for _, end, who in sheet.spans if who == actor) for actor in first}
    until = min(last.values())
    busy = sum(max(0.0, min(end, until) - max(begin, filled)) for begin, end, _ in sheet.spans)
    trials = slots * rounds
    table = Table(title=f"{slots} slots, trials of {seconds:g} s, an actor starts in {start:g} s (pretended)")
    table.add_column("figure")
    table.add_column("", justify="right")
    for name, value in (
        ("one actor ready, bare, s", f"{one:.1f}"),
        (f"{slots} actors ready, bare, s", f"{all_:.1f}"),
        (f"{slots} slots at work, s", f"{filled - began:.1f}"),
        ("  of the bare start", f"{(filled - began) / all_:.2f}"),
        ("actors started", f"{len(first)}"),
        ("slots busy from then on, mean", f"{busy / (until - filled) / slots:.1%}"),
        ("driver with Ray Tune, ms CPU a trial", f"{1000 * used / trials:.0f}"),
    ):
        table.add_row(name, value)
    return table
