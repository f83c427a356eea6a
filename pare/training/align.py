"""ORCA's stage before fine-tuning (Shen et al. 2023): train the target embedder to minimise OTDD to the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pare.config import Alignment
from pare.data.task import Kind
from pare.method.alignment import Cloud, DatasetDistance
from pare.method.model import CrossModalModel
from pare.training import sampling
from pare.training.optim import BETAS
from pare.training.prefetch import TrainSet

CLASSES = 10
"""Pseudo-classes of a target without classes."""

_MEASURED = 512
"""Number of samples per side for the reported distance: measuring it on all takes longer than the training."""

_POOLED = 16
"""Side length of a pooled map; its square is the length of a pooled sequence."""


def align(
    model: CrossModalModel,
    target: TrainSet,
    source: TrainSet,
    source_statistics: Mapping[str, np.ndarray],
    settings: Alignment,
    seed: int,
    device: torch.device,
) -> dict[str, float]:
    """Train the target embedder, in place, to minimise OTDD; return the distance before and after."""
    # Every worker computes the same result without communication. Differences in a GPU's rounding end when DDP wraps
    # the model and broadcasts the weights of rank 0.
    rng = sampling.alignment(seed)
    targets, sources = (_Sample.draw(side, settings.samples, rng) for side in (target, source))
    target_classes, source_classes = (
        torch.from_numpy(_classes(sample, settings.batch, seed)).to(device) for sample in (targets, sources)
    )
    mean, std = (
        torch.as_tensor(source_statistics.get(f"input_{name}", default), dtype=torch.float32, device=device)
        for name, default in (("mean", 0.0), ("std", 1.0))
    )

    def features(x: np.ndarray) -> Tensor:
        return model.embed(torch.from_numpy(x).to(device)).mean(1)

    def source_features(x: np.ndarray) -> Tensor:
        return model.body.source_embedder((torch.from_numpy(x).to(device) - mean) / std).mean(1)

    def whole_target() -> Cloud:
        return Cloud(targets.through(features, settings.batch), target_classes)

    fixed = Cloud(sources.through(source_features, settings.batch), source_classes)
    unmoved = whole_target()
    distance = DatasetDistance(fixed, unmoved, settings.regularisation)
    before = distance.value(_first(unmoved), _first(fixed))
    optimizer = torch.optim.Adam(model.embedder.parameters(), lr=settings.lr, betas=BETAS)
    for step in range(settings.steps):
        if step and step % settings.refresh == 0:
            distance.follow(whole_target())
        rows = rng.choice(len(targets), min(settings.batch, len(targets)), replace=False)
        moving = Cloud(features(targets.load(rows)[0]), target_classes[torch.from_numpy(rows).to(device)])
        optimizer.zero_grad()
        distance.loss(moving, fixed).backward()
        optimizer.step()
    optimizer.zero_grad()
    moved = whole_target()
    distance.follow(moved)
    return {"otdd_before": before, "otdd_after": distance.value(_first(moved), _first(fixed))}


@dataclass(frozen=True)
class _Sample:
    """Part of a side's training split, chosen and augmented once."""

    side: TrainSet
    units: np.ndarray
    seeds: np.ndarray

    @classmethod
    def draw(cls, side: TrainSet, size: int, rng: np.random.Generator) -> _Sample:
        units = rng.permutation(len(side))[:size]
        return cls(side, units, rng.integers(2**64, size=len(units), dtype=np.uint64))

    def __len__(self) -> int:
        return len(self.units)

    def load(self, rows: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        return self.side.draw(self.units[rows], self.seeds[rows])

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield batches in order, one in memory at a time."""
        for start in range(0, len(self), size):
            yield self.load(slice(start, start + size))

    @torch.no_grad()
    def through(self, features: Callable[[np.ndarray], Tensor], size: int) -> Tensor:
        return torch.cat([features(x) for x, _ in self.batches(size)])


def _classes(sample: _Sample, size: int, seed: int) -> np.ndarray:
    """Return the classes (n,) of a sample, from 0 without gaps."""
    kind = sample.side.task.kind
    y = np.concatenate([pooled(y, kind) for _, y in sample.batches(size)])
    if kind != "classification":
        y = pseudo_classes(y, seed)
    return np.unique(y, return_inverse=True)[1]


def pooled(y: np.ndarray, kind: Kind) -> np.ndarray:
    """Average-pool targets (n, …) to (n, at most 256); return classes (n,) unchanged."""
    if kind == "classification":
        return y
    targets = torch.from_numpy(y).float()
    if y.ndim == 2:
        return F.adaptive_avg_pool1d(targets[:, None], min(y.shape[1], _POOLED**2)).flatten(1).numpy()
    # If targets have a second map, such as an ignore map, the first is the one to predict.
    maps = targets if y.ndim == 3 else targets[:, 0]
    small = F.adaptive_avg_pool2d(maps[:, None], (min(maps.shape[1], _POOLED), min(maps.shape[2], _POOLED)))
    return small.flatten(1).numpy()


def pseudo_classes(y: np.ndarray, seed: int) -> np.ndarray:
    """Cluster targets (n, d) into classes (n,) by k-means; in mini-batches above 10,000 samples, as in ORCA."""
    from sklearn.cluster import KMeans, MiniBatchKMeans  # only two methods need them

    means = KMeans if len(y) <= 10_000 else MiniBatchKMeans
    return means(min(CLASSES, len(y)), random_state=seed).fit_predict(y)


def _first(cloud: Cloud) -> Cloud:
    return Cloud(cloud.x[:_MEASURED], cloud.y[:_MEASURED])
