"""A process of the study: it takes jobs one by one and trains each with the project's own loop."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pare import tasks
from pare.config import Run
from pare.data import store
from pare.data.task import Split, Task
from pare.errors import DiskFull, RequestError, TrainingError
from pare.search.study import space
from pare.training.distributed import DistributedContext
from pare.training.evaluate import evaluate, predict
from pare.training.loop import fit
from tests.bench.draws import near, starts
from tests.bench.study import data as study_data
from tests.bench.study.arms import ARMS
from tests.bench.study.samples import StudyData
from tests.bench.study.settings import setting, settings


@dataclass(frozen=True)
class Job:
    """A run: which arm of which task, with which seed, for how many epochs."""

    task: str
    arm: str
    seed: int
    epochs: int = 0
    """0: the task's own number."""
    trial: int = -1
    """Which configuration of the arm's own search; -1: the arm as it is."""
    final: bool = True
    """Whether the test split is scored; a trial of a search is only validated."""


@dataclass(frozen=True)
class Place:
    """Where a process finds what it trains on: the root of prepared data, and the folder of real bodies."""

    root: Path
    bodies: Path | None = None


def work(jobs: Connection, place: Place, own: Sequence[tasks.Definition]) -> None:
    """Take jobs until nobody gives any, and answer each with its result or the error that ended it.

    `own` are the tasks that are not of the package. An error of the job's own, not of the process, is `refused`.
    """
    tasks.adopt(own)
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError):
        while True:
            job = jobs.recv()
            began = time.perf_counter()
            try:
                jobs.send(measure(job, place) if ARMS[job.arm].baseline else train(job, place))
            except Exception as error:  # the study goes on without it
                refused = isinstance(error, TrainingError | RequestError) and not isinstance(error, DiskFull)
                told = f"{type(error).__name__}: {error}".splitlines()[0]
                jobs.send({"error": told, "refused": refused, "wall": round(time.perf_counter() - began, 3)})


def run_of(job: Job, data: str = "", source_data: str = "", bodies: Path | None = None) -> Run:
    """The run of a job: the task's settings with the arm's, or with those of a trial of the arm's search.

    A search begins with two known configurations and goes on near them, at random.
    """
    arm, own = ARMS[job.arm], settings(job.task)
    base = Run(
        task=setting(job.task).task,
        data=data,
        body=study_data.body_of(job.task, bodies),
        source=setting(job.task).source,
        source_data=source_data,
        method=arm.method,
    ).replace({"precision": "fp32", **{name: value for name, value in own.items() if name != "body"}})
    values: Mapping[str, Any] = arm.settings
    if job.trial >= 0:
        around = space.for_run(base, tasks.get(base.source).modality)
        known = starts(around, base, arm.method)
        chosen = known[job.trial % len(known)]
        if job.trial >= len(known):
            chosen = near(around, chosen, arm.method, np.random.default_rng((job.trial, 80)))
        values = space.to_run(chosen)
    epochs = {"epochs": job.epochs} if job.epochs else {}
    return base.replace({**values, "seed": job.seed, **epochs})


def train(job: Job, place: Place) -> dict[str, Any]:
    """Train a job's run; score the model of its best epoch by validation on the test split if it is final."""
    task, source, prepared, source_prepared = _prepared(job, place)
    data = study_data.limited(job.task, place.root, prepared, job.seed)
    run = run_of(job, prepared.key, source_prepared.key, place.bodies)
    sources = _shuffled(source_prepared, job.seed) if ARMS[job.arm].shuffled_source else source_prepared
    reports: list[Mapping[str, Any]] = []

    def report(figures: Mapping[str, Any]) -> bool:
        reports.append({name: value for name, value in figures.items() if not name.startswith("pictures/")})
        return True

    began, busy = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(prefix="pare-study-") as folder:
        trained = fit(run, task, source, data, sources, Path(folder), report)
    spent, busy = time.perf_counter() - began, time.process_time() - busy
    assert trained is not None
    world, last = DistributedContext.current(), reports[-1]
    return {
        "epochs": run.epochs,
        "device": world.device.type,
        "seconds": round(last["seconds"], 3),
        "cpu_seconds": round(busy, 3),
        "wall": round(spent, 3),
        "best_epoch": trained.best.epoch,
        "val": trained.best.metric,
        **(_scored(trained.model, task, data, world) if job.final else {}),
        "val_curve": [round(report["val_metric"], 5) for report in reports],
        **{name: last[name] for name in ("loss_source", "source_accuracy", "lambda", "gate_spread") if name in last},
        "labels": len(data.split("train")),
        "metric": task.metric.name,
        **({"settings": _changes(run)} if job.trial >= 0 else {}),
    }


def measure(job: Job, place: Place) -> dict[str, Any]:
    """Fit one of the task's baselines on what a run of the seed trains on, and score it on the test split."""
    task, _, prepared, _ = _prepared(job, place)
    data = study_data.limited(job.task, place.root, prepared, job.seed)
    began, busy = time.perf_counter(), time.process_time()
    name = ARMS[job.arm].baseline
    baseline = next((each for each in task.baselines(data.split("train"), None) if each.name == name), None)
    if baseline is None:
        raise RequestError(f"{job.task} has no baseline {name!r}: leave {job.arm} out")
    loss, metric = evaluate(task, baseline.predict(data.split("test").x), data.split("test"))
    return {
        "epochs": 0,
        "device": "cpu",
        "seconds": round(time.perf_counter() - began, 3),
        "cpu_seconds": round(time.process_time() - busy, 3),
        "wall": round(time.perf_counter() - began, 3),
        "test": metric,
        "test_loss": loss,
        "labels": len(data.split("train")),
        "scored": len(data.split("test")),
        "metric": task.metric.name,
    }


def _prepared(job: Job, place: Place) -> tuple[Task, Task, store.Prepared, store.Prepared]:
    task, source = study_data.task_of(job.task), study_data.source_of(job.task, place.bodies)
    ready, source_ready = (store.prepare(one, place.root, "laptop", lambda *_: None) for one in (task, source))
    return task, source, ready, source_ready


def _scored(model: Any, task: Task, data: StudyData, world: DistributedContext) -> dict[str, Any]:
    test = data.split("test")
    predictions = predict(model, task, test.x, world)
    assert predictions is not None
    loss, metric = evaluate(task, predictions, test)
    return {"test": metric, "test_loss": loss, "scored": len(test)}


def _changes(run: Run) -> dict[str, Any]:
    """What a trial of a search sets, so that its line tells all of it."""
    names = ("optimizer.lr.", "optimizer.weight_decay", "optimizer.warmup", "tuning.", "curriculum.", "gate.", "mix_")
    return {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in run.flat().items()
        if name.startswith(names) or name.startswith("alignment.")
    }


def _shuffled(source: store.Prepared, seed: int) -> StudyData:
    train = source.split("train")
    y = np.array(train.y)[np.random.default_rng((seed, 78)).permutation(len(train))]
    splits = {"train": Split(train.x, y, train.group), "val": source.split("val")}
    return StudyData(splits, source.statistics)
