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
from pare.data.task import Split
from pare.training.distributed import DistributedContext
from pare.training.evaluate import evaluate, predict
from pare.training.loop import fit
from tests.bench.study import data as study_data
from tests.bench.study.arms import ARMS


@dataclass(frozen=True)
class Job:
    """A run: which arm of which task, with which seed, for how many epochs."""

    task: str
    arm: str
    seed: int
    epochs: int = 0
    """0: the task's own number."""


def work(jobs: Connection, root: Path, own: Sequence[tasks.Definition]) -> None:
    """Take jobs until nobody gives any, and answer each with its result or the error that ended it.

    `own` are the tasks that are not of the package.
    """
    tasks.adopt(own)
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError):
        while True:
            job = jobs.recv()
            try:
                jobs.send(train(job, root))
            except Exception as error:  # the study goes on without it
                jobs.send({"error": f"{type(error).__name__}: {error}".splitlines()[0]})


def train(job: Job, root: Path) -> dict[str, Any]:
    """Train a job's run and score the model of its best epoch by validation on the test split."""
    arm, setting = ARMS[job.arm], study_data.SETTINGS[study_data.budget(job.task)[0]]
    task, source = study_data.task_of(job.task), tasks.get(setting.source)
    prepared, source_prepared = (store.prepare(one, root, "laptop", lambda *_: None) for one in (task, source))
    data = study_data.limited(job.task, root, prepared, job.seed)
    settings: dict[str, Any] = {"source": setting.source, **study_data.settings(job.task), **arm.settings}
    settings |= {"seed": job.seed, "precision": "fp32"} | ({"epochs": job.epochs} if job.epochs else {})
    top = {name: settings.pop(name) for name in ("body", "source")}
    run = Run(
        task=setting.task,
        data=prepared.key,
        source_data=source_prepared.key,
        method=arm.method,
        **top,
    ).replace(settings)
    sources = _shuffled(source_prepared, job.seed) if arm.shuffled_source else source_prepared
    reports: list[Mapping[str, Any]] = []

    def report(figures: Mapping[str, Any]) -> bool:
        reports.append({name: value for name, value in figures.items() if not name.startswith("pictures/")})
        return True

    began, busy = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(prefix="pare-study-") as folder:
        trained = fit(run, task, source, data, sources, Path(folder), report)
    spent, busy = time.perf_counter() - began, time.process_time() - busy
    assert trained is not None
    test, world = data.split("test"), DistributedContext.current()
    predictions = predict(trained.model, task, test.x, world)
    assert predictions is not None
    loss, metric = evaluate(task, predictions, test)
    last = reports[-1]
    return {
        "epochs": run.epochs,
        "device": world.device.type,
        "seconds": round(last["seconds"], 3),
        "cpu_seconds": round(busy, 3),
        "wall": round(spent, 3),
        "best_epoch": trained.best.epoch,
        "val": trained.best.metric,
        "test": metric,
        "test_loss": loss,
        "val_curve": [round(report["val_metric"], 5) for report in reports],
        **{name: last[name] for name in ("loss_source", "source_accuracy", "lambda", "gate_spread") if name in last},
        "labels": len(data.split("train")),
        "scored": len(test),
        "metric": task.metric.name,
    }


def _shuffled(source: store.Prepared, seed: int) -> study_data.StudyData:
    train = source.split("train")
    y = np.array(train.y)[np.random.default_rng((seed, 78)).permutation(len(train))]
    splits = {"train": Split(train.x, y, train.group), "val": source.split("val")}
    return study_data.StudyData(splits, source.statistics)
