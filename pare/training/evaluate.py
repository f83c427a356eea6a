"""Metrics over a whole split: predictions are gathered first, then the task's own metric is computed once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pare.tasks.task import Split, Task
from pare.training.world import World


def fetch(array: np.ndarray, index: np.ndarray | slice, device: torch.device) -> Tensor:
    """Rows of a (memory-mapped) array as a tensor on the device."""
    return torch.from_numpy(np.array(array[index])).to(device, non_blocking=True)


@torch.inference_mode()
def predict(model: nn.Module, x: np.ndarray, world: World, batch: int = 64) -> np.ndarray | None:
    """Predictions (n, *outputs) float32 for inputs (n, *shape), each worker doing its share; on the leader only."""
    edges = np.linspace(0, len(x), world.size + 1).round().astype(int)
    first, last = int(edges[world.rank]), int(edges[world.rank + 1])
    training = model.training
    model.eval()
    parts = [
        model(fetch(x, slice(start, min(start + batch, last)), world.device)).float().cpu()
        for start in range(first, last, batch)
    ]
    model.train(training)
    own = torch.cat(parts) if parts else torch.empty(0)
    return world.gather(own.numpy())


def evaluate(model: nn.Module, task: Task, split: Split, world: World) -> tuple[float, float] | None:
    """(criterion, metric) of the model on a whole split; None on workers that do not lead."""
    predictions = predict(model, split.x, world)
    if predictions is None:
        return None
    losses = task.criterion(torch.from_numpy(predictions), torch.from_numpy(np.array(split.y)))
    return float(losses.mean()), task.score(task.metric, predictions, split)
