"""What the source term learns: a fit of its predictor before the first step, and what chance would reach."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import entropy
from torch import Tensor

from pare.config import SourceHead
from pare.data.task import Split, Task
from pare.method.objective import PatchReplacement
from pare.training import sampling
from pare.training.optim import BETAS
from pare.training.prefetch import TrainSet


def fit(objective: PatchReplacement, source: TrainSet, settings: SourceHead, seed: int, device: torch.device) -> None:
    """Train the source predictor alone, in place, on the body's features of whole source samples."""
    # Nothing here depends on the worker: each does the same.
    rng = sampling.source_head(seed)
    body, head = objective.model.body, objective.source_head
    training = objective.training
    objective.eval()
    optimizer = torch.optim.Adam(head.parameters(), lr=settings.lr, betas=BETAS)
    for _ in range(settings.steps):
        units = rng.integers(len(source), size=min(settings.batch, len(source)))
        x, y = source.draw(units, rng.integers(2**64, size=len(units), dtype=np.uint64))
        with torch.no_grad():
            features_BLF = body(objective.embed_source(torch.from_numpy(x).to(device))[0])
            features_BMF = _as_many(features_BLF, body.grid_out(objective.model.tokens))
        optimizer.zero_grad()
        predictions = head(features_BMF).float()
        objective.source_criterion(predictions, torch.from_numpy(y).to(device)).mean().backward()
        optimizer.step()
    optimizer.zero_grad()
    objective.train(training)


def _as_many(features_BLF: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Features of a sequence at as many places as the target's have, which a dense predictor counts on."""
    if len(grid) == 2 or features_BLF.shape[1] == grid[0]:
        return features_BLF
    return F.interpolate(features_BLF.mT, size=grid[0], mode="linear", align_corners=False).mT


def chance(task: Task, train: Split) -> dict[str, float]:
    """Accuracy and loss of whoever knows how often each class is (or each pixel foreground), but not the input."""
    y = np.asarray(train.y)
    if task.kind == "classification":
        shares = np.bincount(y) / len(y)
    else:
        foreground = float((y > 0.5).mean())
        shares = np.array([1 - foreground, foreground])
    return {"source_chance": float(shares.max()), "source_chance_loss": float(entropy(shares))}
