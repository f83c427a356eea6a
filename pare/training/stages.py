"""Stages before the first step: aligning the embedder (ORCA, MoNA) and fitting the source predictor."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from pare.config import Run
from pare.method.catalogue import METHODS
from pare.method.objective import FineTuning, PatchReplacement
from pare.training import mona, source_head
from pare.training.align import align
from pare.training.prefetch import TrainSet


def before(
    run: Run,
    objective: FineTuning,
    target: TrainSet,
    source: TrainSet,
    source_statistics: Mapping[str, np.ndarray],
    device: torch.device,
) -> dict[str, float]:
    """Run the stages of a method in place; return their figures by name."""
    stage = METHODS[run.method].stage
    source_statistics = objective.model.body.source_statistics(source_statistics)
    if isinstance(objective, PatchReplacement) and run.source_head.steps:
        source_head.fit(objective, source, run.source_head, run.seed, device)
    if stage == "otdd":
        return align(objective.model, target, source, source_statistics, run.alignment, run.seed, device)
    if stage == "mona":
        mean, std = (
            torch.as_tensor(source_statistics.get(f"input_{name}", default), dtype=torch.float32, device=device)
            for name, default in (("mean", 0.0), ("std", 1.0))
        )
        rate = run.optimizer.lr.body
        return mona.align(objective, target, source, (mean, std), run.alignment, rate, run.seed)
    return {}
