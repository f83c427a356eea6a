"""Short settings for data of any size, which have no published configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pare.data.task import Kind

TOKENS = 50
"""Largest number of patches of a sequence."""

_SEQUENCES = {"paper": ("FacebookAI/roberta-base", "text"), "laptop": ("roberta-mini", "signals")}
"""Body and source of each preset."""


def short(train: int, shape: tuple[int, ...], kind: Kind) -> dict[str, Mapping[str, Any]]:
    """Return the settings of each preset for AdamW; `train` is the number of training samples, `shape` that of one.

    Fewer samples get more epochs, so that the number of updates is similar.
    """
    common: dict[str, Any] = {
        "epochs": int(np.clip(5000 // train, 4, 40)),
        "curriculum.start": 0.5,
        "curriculum.end": 0.0,
        "optimizer.name": "adamw",
        "optimizer.batch": 32,
        "optimizer.weight_decay": 0.01,
        "optimizer.warmup": 0.1,
    }
    if len(shape) == 2:
        bodies = _SEQUENCES
        common["patch"] = patch(shape[1])
    else:
        image = "fractal-masks" if kind == "dense" else "fractals"
        bodies = {"paper": ("microsoft/swin-base-patch4-window7-224-in22k", image), "laptop": ("swin-mini", image)}
    rates = {"paper": 1e-4, "laptop": 1e-3}
    groups = ("embedder", "body", "gate", "heads")
    return {
        preset: common | {f"optimizer.lr.{group}": rates[preset] for group in groups} | {"body": body, "source": source}
        for preset, (body, source) in bodies.items()
    }


def patch(length: int) -> int:
    """Return the length of the patches of a sequence, of which there are at most `TOKENS`."""
    return -(-length // TOKENS)
