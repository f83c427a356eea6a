"""Records of a sweep that never ran."""

from datetime import UTC, datetime
from typing import Any

from pare.config import Run
from pare.reporting.records import Domain, Observer, Record

DOMAINS = {
    "ecg": {"curriculum.family": Domain(choices=("linear", "cosine")), "optimizer.lr.body": Domain(1e-5, 1e-3)},
    "darcy": {"optimizer.lr.body": Domain(1e-4, 1e-2), "mix_weight": Domain(0.1, 1.0)},
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
    return Record(task, trial, **{**values, **changes})


def figures(epoch: int, metric: float = 0.5, **more: float) -> dict[str, float]:
    """What the loop reports after an epoch; a method without replacement has no gate."""
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
