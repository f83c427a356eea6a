"""A recording whose curves are a formula: what the body's learning rate does to a run, and little else."""

import numpy as np

from pare.config import Run
from pare.search.study import space
from tests.bench import draws, record

BASE = Run(
    task="ecg", data="d", body="roberta-mini", source="signals", source_data="s", epochs=6, patch=40, mix_weight=0.1
)
SPACE = space.for_run(BASE, "1d")


def curve(values):
    """Best in the upper half of the interval, falling over the epochs."""
    distance = np.log10(values["optimizer.lr.body"] / BASE.optimizer.lr.body) - 0.5
    return 0.2 * (1 + distance**2) * (1 + 1 / np.arange(1, BASE.epochs + 1))


def row(number, seed):
    drawn, searched = draws.draw(SPACE, BASE, number, "pare")
    metric = curve(searched) * np.exp(np.random.default_rng((number, seed)).normal(0, 0.01))
    return {
        "number": number,
        "drawn": drawn,
        "seed": seed,
        "searched": searched,
        "val_metric": metric.astype(np.float32).tolist(),
        "val_loss": (2 * metric).astype(np.float32).tolist(),
        "seconds": np.arange(1.0, BASE.epochs + 1).tolist(),
        "test": float(metric.min()),
        "why": "",
    }


def recording(configurations):
    facts = {
        "base": BASE.flat(),
        "modality": "1d",
        "direction": "minimize",
        "metric": "1 - F1",
        "provenance": "simulated",
    }
    rows = [row(number, seed) for number in range(configurations) for seed in record.SEEDS]
    return record.Recording(BASE, rows, facts)
