"""Metrics over a whole split: predictions are gathered first, then the task's own metric is computed once."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from pare.data.task import Split, Task
from pare.training.distributed import DistributedContext

_SAMPLES, _BYTES = 64, 2**28
"""How much is predicted at once, at most: samples, and bytes of inputs."""


@torch.inference_mode()
def predict(model: nn.Module, task: Task, x: np.ndarray, world: DistributedContext) -> np.ndarray | None:
    """Predictions (n, *output_shape) float32 for a split's x (n, …), each worker doing its share; on rank 0 only."""
    edges = np.linspace(0, len(x), world.size + 1).round().astype(int)
    first, last = int(edges[world.rank]), int(edges[world.rank + 1])
    batch = min(_SAMPLES, max(1, _BYTES // (4 * math.prod(task.shape))))
    training = model.training
    model.eval()
    parts = []
    for start in range(first, last, batch):
        # Copied out of the map, which is read-only.
        inputs = torch.from_numpy(task.assemble(np.array(x[start : min(start + batch, last)])))
        parts.append(model(inputs.to(world.device, non_blocking=True)).float().cpu())
    model.train(training)
    own = torch.cat(parts) if parts else torch.empty(0)
    return world.gather(own.numpy())


def evaluate(task: Task, predictions: np.ndarray, split: Split) -> tuple[float, float]:
    """(criterion, metric) of predictions (n, *output_shape) for a whole split."""
    losses = task.criterion(torch.from_numpy(predictions), torch.from_numpy(np.array(split.y)))
    return float(losses.mean()), task.score(task.metric, predictions, split)
