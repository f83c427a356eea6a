"""Fit the source predictor before the first step, and compute the accuracy and loss of chance."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import entr
from torch import Tensor

from pare.config import SourceHead
from pare.data.task import Split, Task
from pare.method.objective import PatchReplacement
from pare.training import sampling
from pare.training.optim import BETAS
from pare.training.prefetch import TrainSet

_BATCHES = 16
"""Largest number of batches of source samples on which the predictor is fitted."""


def fit(objective: PatchReplacement, source: TrainSet, settings: SourceHead, seed: int, device: torch.device) -> None:
    """Train only the source predictor, in place, on the body's features of whole source samples."""
    # Every worker computes the same result without communication.
    rng = sampling.source_head(seed)
    body, head = objective.model.body, objective.source_head
    training = objective.training
    objective.eval()
    optimizer = torch.optim.Adam(head.parameters(), lr=settings.lr, betas=BETAS)
    units = rng.permutation(len(source))[: _BATCHES * settings.batch]
    seeds = rng.integers(2**64, size=len(units), dtype=np.uint64)
    features, targets = [], []
    # The body runs once per sample; the steps train only the predictor on its features.
    with torch.no_grad():
        for first in range(0, len(units), settings.batch):
            rows = slice(first, first + settings.batch)
            x, y = source.draw(units[rows], seeds[rows])
            features_BLF = body(objective.embed_source(torch.from_numpy(x).to(device))[0])
            features.append(_as_many(features_BLF, body.grid_out(objective.model.tokens)))
            targets.append(torch.from_numpy(y).to(device))
    features_NMF, targets_N = torch.cat(features), torch.cat(targets)
    for _ in range(settings.steps):
        chosen = torch.from_numpy(rng.integers(len(units), size=settings.batch)).to(device)
        optimizer.zero_grad()
        predictions = head(features_NMF[chosen]).float()
        objective.source_criterion(predictions, targets_N[chosen]).mean().backward()
        optimizer.step()
    optimizer.zero_grad()
    objective.train(training)


def _as_many(features_BLF: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Interpolate a sequence's features to the length of the target's, which a dense predictor requires."""
    if len(grid) == 2 or features_BLF.shape[1] == grid[0]:
        return features_BLF
    return F.interpolate(features_BLF.mT, size=grid[0], mode="linear", align_corners=False).mT


def chance(task: Task, train: Split) -> dict[str, float]:
    """Return accuracy and loss of a predictor that knows only the class frequencies (or the foreground's share)."""
    y = np.asarray(train.y)
    if task.kind == "classification":
        shares = np.bincount(y) / len(y)
    else:
        foreground = float((y > 0.5).mean())
        shares = np.array([1 - foreground, foreground])
    return {"source_chance": float(shares.max()), "source_chance_loss": float(entr(shares / shares.sum()).sum())}
