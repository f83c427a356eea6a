"""Records of a sweep that never ran."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pare import tasks
from pare.config import Run
from pare.reporting.records import Domain, Observer, Record
from pare.reporting.tables import Tables

DOMAINS = {
    tasks.get("ecg"): {
        "curriculum.family": Domain(choices=("linear", "cosine")),
        "optimizer.lr.body": Domain(1e-5, 1e-3),
    },
    tasks.get("darcy"): {"optimizer.lr.body": Domain(1e-4, 1e-2), "mix_weight": Domain(0.1, 1.0)},
}


def record(trial: str = "pare-0000", task: str = "ecg", **changes: Any) -> Record:
    """A search trial of ECG that has just begun, `changes` applied."""
    config = Run(task=task, data="d", body="roberta-mini", source="signals", source_data="s").flat()
    values: dict[str, Any] = {
        "method": "pare",
        "purpose": "search",
        "seed": 0,
        "provenance": "simulated",
        "body": "random",
        "config": config,
        "started": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "searched": {"optimizer.lr.body": 1e-4, "curriculum.family": "linear"},
    }
    return Record(tasks.get(task), trial, **{**values, **changes})


def figures(epoch: int, metric: float = 0.5, **more: float) -> dict[str, float]:
    """Return the loop's report after an epoch; a method without replacement has no gate."""
    own = {"epoch": epoch, "objective": metric, "val_metric": metric, "val_loss": 1.0, "loss": 2.0, "loss_target": 1.5}
    return own | {"lr_body": 1e-4, "samples": 100 * epoch, "samples_per_second": 50.0, "seconds": 2.0} | more


def run(observer: Observer, one: Record, epochs: int = 2, metric: float = 0.5, state: str = "complete") -> Record:
    """Let a record live through `epochs` epochs to its end before the observer."""
    observer.begin(one)
    for epoch in range(1, epochs + 1):
        one.epochs, one.objective, one.seconds = epoch, metric, 2.0 * epoch
        observer.epoch(one, figures(epoch, metric))
    one.ended, one.state, one.gpu_hours = datetime(2026, 1, 2, 3, 5, tzinfo=UTC), state, 0.25  # type: ignore[assignment]
    observer.end(one)
    return one


def arrays(task: str) -> dict[str, np.ndarray]:
    """Return the arrays that the loop adds at a few epochs: a field for Darcy, a sequence and classes for ECG."""
    rng = np.random.default_rng(0)
    size, grid = ((3, 64, 64), (3, 16, 16)) if task == "darcy" else ((3, 1, 1000), (3, 1, 25))
    own: dict[str, np.ndarray] = {
        name: rng.normal(size=size).astype(np.float16) for name in ("input", "source", "mixed")
    }
    own |= {"scores": rng.random(grid).astype(np.float16), "source_scores": rng.random(grid).astype(np.float16)}
    own["replaced"] = rng.random(grid) < 0.3
    if task == "darcy":
        own |= {name: rng.random(size).astype(np.float16) for name in ("truth", "prediction")}
    else:
        own["confusion"] = rng.integers(0, 50, (4, 4), dtype=np.int32)
    return {f"pictures/{name}": array for name, array in own.items()}


def sweep(*observers: Observer) -> None:
    """A finished sweep of two tasks: trials of all states, three seeds confirmed, pictures in the first epoch."""

    class Each:
        def begin(self, record: Record) -> None:
            for observer in observers:
                observer.begin(record)

        def epoch(self, record: Record, figures: Mapping[str, Any]) -> None:
            for observer in observers:
                observer.epoch(record, {**figures, **(arrays(record.task) if figures["epoch"] == 1 else {})})

        def end(self, record: Record) -> None:
            for observer in observers:
                observer.end(record)

    for task in ("ecg", "darcy"):
        for number, state in enumerate(["complete", "complete", "pruned", "failed"]):
            method = "nft" if number == 1 else "pare"
            searched: dict[str, Any] = {"optimizer.lr.body": 1e-4 * (number + 1), "mix_weight": 0.1 + 0.2 * number}
            searched["curriculum.family"] = ("linear", "cosine")[number % 2]
            begun = datetime(2026, 1, 2, 3, number, tzinfo=UTC)
            one = record(f"{method}-{number:04}", task, method=method, searched=searched, started=begun)
            one.config = {**one.config, **searched}
            run(Each(), one, epochs=3 if state == "complete" else 1, metric=0.5 - number / 50, state=state)
        for method, tests in {"pare": (0.30, 0.32, 0.33), "nft": (0.34, 0.31, 0.35)}.items():
            for seed, test in enumerate(tests, start=1):
                name = f"confirm-{method}-{seed}"
                run(Each(), record(name, task, method=method, purpose="confirm", test=test, seed=seed), metric=0.3)


def many(out: Path, count: int, task: str = "ecg") -> None:
    """The tables of a sweep of so many ended trials, two in three of which were cut after an epoch."""
    tables, random = Tables(out), np.random.default_rng(0)
    for number in range(count):
        state, epochs = ("pruned", 1) if number % 3 else ("complete", 5)
        started = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=number)
        searched = {"optimizer.lr.body": float(random.random())}
        one = record(f"pare-{number:04}", task, searched=searched, started=started)
        one.config = {**one.config, **searched}
        run(tables, one, epochs, 0.9 - 0.5 * number / count + 0.1 * float(random.random()), state)
    tables.close()
