"""How long a slot stands idle between two trials, model building included: `python -m tests.bench.turnover`.

A sweep of short trials on one slot of a real Ray, local mode, reused actors. The gap runs from a trial's last report in
the driver to the next trial's first step; Ray Tune, the study, the tables and TensorBoard are all in it.
"""

import statistics
import tempfile
import time
from pathlib import Path

import ray

from pare import tasks
from pare.config import Run
from pare.reporting.tables import Tables
from pare.reporting.tensorboard import TensorBoard
from pare.search import cluster, space, tune
from pare.search.study import Study
from pare.search.sweep import Sweep, TaskPlan
from pare.tasks import store
from pare.training.launch import Workers
from tests.conftest import RECIPES, SETTINGS, quietly

TRIALS, EPOCHS = 24, 2


class Clock:
    """Notes when a trial's last report came, and when the next trial's first step began."""

    def __init__(self):
        self.gaps, self.busy, self._last, self._heard = [], 0.0, None, {}

    def begin(self, record):
        self._heard[record.trial] = 0

    def epoch(self, record, figures):
        now = time.perf_counter()
        if self._heard[record.trial] == 0 and self._last is not None:
            # A report comes when its epoch is over: what the epoch took leads back to its first step.
            self.gaps.append(now - figures["seconds"] - self._last)
        self._heard[record.trial] += 1
        self._last = now

    def end(self, record):
        self.busy += record.seconds


def main():
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "data", Path(folder) / "out"
        (root / "ecg" / "raw").mkdir(parents=True)
        tasks.get("ecg").synthesise(root / "ecg" / "raw", RECIPES["ecg"], quietly)
        plan = plan_of("ecg", root, out)
        clock = Clock()
        domains = {"ecg": space.for_run(plan.study._base, "1d").domains()}
        cluster.connect(None, num_cpus=1)
        sweep = Sweep([plan], out, [Tables(out), TensorBoard(out, domains), clock], concurrent=1, gpus=0)
        began = time.perf_counter()
        tune.run(sweep, Workers(), root, out / ".ray")
        whole = time.perf_counter() - began
        ray.shutdown()
    print(f"{len(clock.gaps) + 1} trials on one slot, {whole:.1f} s in all")
    low, high = min(clock.gaps), max(clock.gaps)
    print(f"idle between trials: median {statistics.median(clock.gaps):.3f} s, from {low:.3f} to {high:.3f} s")
    print(f"share of the time spent in training and validation: {clock.busy / whole:.0%}, Ray's start included")


def plan_of(name, root, out):
    task, settings = tasks.get(name), SETTINGS[name]
    keys = {
        needed: store.prepare(tasks.get(needed), root, "laptop", quietly).key for needed in (name, settings["source"])
    }
    run = Run(
        task=name,
        data=keys[name],
        body=settings["body"],
        source=settings["source"],
        source_data=keys[settings["source"]],
        epochs=EPOCHS,
    ).replace(settings)
    (out / name).mkdir(parents=True)
    study = Study(
        task, run, space.for_run(run, task.modality), ("pare",), TRIALS, f"sqlite:///{out}/{name}/study.db", seed=0
    )
    return TaskPlan(task, store.load(root, run.data), study, seeds=())


if __name__ == "__main__":
    main()
