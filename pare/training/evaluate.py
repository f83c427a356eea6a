"""Metrics over a whole split: predictions are gathered first, then the task's own metric is computed once."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

from pare.config import Precision
from pare.data.task import Split, Task
from pare.training.distributed import DistributedContext
from pare.training.graphs import RecordedForward
from pare.training.passes import autocast

_SAMPLES, _BYTES = {"cpu": 64, "cuda": 512}, 2**28
"""Largest batch of a prediction: samples by kind of device, and bytes of inputs."""

_RECORDED = 16
"""Least number of batches of a prediction that is recorded as a CUDA graph: recording takes as long as some of them."""


def predict(
    model: nn.Module, task: Task, x: np.ndarray, world: DistributedContext, precision: Precision = "fp32"
) -> np.ndarray | None:
    """Predict a split's x (n, …), each worker its share; return (n, *output_shape) float32 on rank 0 only."""
    edges = np.linspace(0, len(x), world.size + 1).round().astype(int)
    own = x[edges[world.rank] : edges[world.rank + 1]]
    batch = min(_SAMPLES.get(world.device.type, 64), max(1, _BYTES // (4 * math.prod(task.shape))))
    training = model.training
    model.eval()
    while True:
        try:
            predictions = _predicted(model, task, own, batch, world.device, precision)
            break
        except torch.OutOfMemoryError:
            if batch == 1:
                raise
        # Outside the except block, where no traceback holds the memory of the failed attempt.
        batch //= 2
        torch.cuda.empty_cache()
    model.train(training)
    return world.gather(predictions.numpy())


@torch.inference_mode()
def _predicted(
    model: nn.Module, task: Task, x: np.ndarray, batch: int, device: torch.device, precision: Precision
) -> Tensor:
    """Return predictions in host memory; the host waits for the device once, at the end."""
    found = torch.empty(0)

    def load(start: int) -> Tensor:
        # Copied because the memory map is read-only.
        inputs = torch.from_numpy(task.assemble(np.array(x[start : start + batch])))
        return inputs if device.type == "cpu" else inputs.pin_memory()

    starts = range(0, len(x), batch)
    recorded = device.type == "cuda" and len(starts) >= _RECORDED
    forward = RecordedForward(model) if recorded else model
    with ThreadPoolExecutor(1, thread_name_prefix="feed") as pool, autocast(precision, device):
        ahead = pool.submit(load, 0) if len(x) else None
        for start in starts:
            assert ahead is not None  # noqa: S101 - for the type checker
            inputs = ahead.result()
            ahead = pool.submit(load, start + batch)
            predictions = forward(inputs.to(device, non_blocking=True)).float()
            if not start:
                found = torch.empty(len(x), *predictions.shape[1:], pin_memory=device.type == "cuda")
            found[start : start + batch].copy_(predictions, non_blocking=True)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return found


def evaluate(task: Task, predictions: np.ndarray, split: Split) -> tuple[float, float]:
    """Return (criterion, metric) of predictions (n, *output_shape) for a whole split."""
    losses = task.criterion(torch.from_numpy(predictions), torch.from_numpy(np.array(split.y)))
    return float(losses.mean()), task.score(task.metric, predictions, split)
