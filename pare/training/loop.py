"""The training loop of one run, without Ray and without search.

It returns results only through `report`, which answers whether to continue.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import psutil
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from pare import tasks
from pare.bucket import Folder
from pare.config import Run
from pare.data import store
from pare.data.task import Split, Task
from pare.errors import Preempted, Stopped, TrainingError
from pare.method import methods, tuning
from pare.method.catalogue import METHODS
from pare.method.curriculum import patches, share
from pare.method.model import CrossModalModel
from pare.method.objective import OF_MIXED, MixedFineTuning
from pare.training import compilation, graphs, optim, prefetch, source_head, stages
from pare.training.checkpoint import Best, Checkpoints, TrainingState
from pare.training.distributed import DistributedContext
from pare.training.evaluate import evaluate, predict
from pare.training.passes import Inputs
from pare.training.prefetch import TrainSet
from pare.training.sampling import Order
from pare.training.saving import Saver
from pare.training.snapshots import Inspector, due

ReportCallback = Callable[[Mapping[str, Any]], bool]
"""Function that rank 0 calls after every epoch with figures by name, `epoch` from 1; returns whether to continue.

After a few epochs the figures include arrays, see `pare.training.snapshots`.
"""


class Data(Protocol):
    """Prepared data as the loop needs it."""

    @property
    def statistics(self) -> Mapping[str, np.ndarray]: ...
    def split(self, name: str) -> Split: ...


@dataclass(frozen=True)
class Trained:
    """Result of a run: the model after its best epoch by validation."""

    model: CrossModalModel
    best: Best


def train(
    run: Run,
    root: Path,
    folder: Path,
    report: ReportCallback,
    should_preempt: Callable[[], bool] = lambda: False,
    remote: Folder | None = None,
) -> Trained | None:
    """Train one run on the prepared data below `root`, reporting after each epoch.

    A checkpoint is saved to `folder`, and to `remote`, about every epoch (see `Saver`), and at once if
    `should_preempt()`, which a run on one worker asks before each update. A run that finds a checkpoint repeats its
    report, which may have been lost, and continues exactly as if it had never stopped. Every worker of a
    `torch.distributed` group calls this with the same arguments; rank 0 gets the model, the others None.

    Raises:
        DataError: prepared data is missing or damaged.
        TrainingError: the loss is no longer a finite number.
        Stopped: `report` answered to stop.
        Preempted: the machine will be taken away; the run can resume elsewhere.
    """
    task, source = tasks.get(run.task), tasks.get(run.source)
    data, source_data = store.load(root, run.data), store.load(root, run.source_data)
    return fit(run, task, source, data, source_data, folder, report, should_preempt, remote)


def fit(
    run: Run,
    task: Task,
    source: Task,
    data: Data,
    source_data: Data,
    folder: Path,
    report: ReportCallback,
    should_preempt: Callable[[], bool] = lambda: False,
    remote: Folder | None = None,
) -> Trained | None:
    """Train one run on loaded data; see `train`."""
    world = DistributedContext.current()
    target_side, source_side = TrainSet(task, data.split("train")), TrainSet(source, source_data.split("train"))
    validation = data.split("val")

    torch.manual_seed(run.seed)
    objective = methods.build(
        run, task, task.criterion, data.statistics, source, source_data.statistics, source.criterion
    )
    objective.to(world.device)
    optimizer = optim.build(objective, run.optimizer, run.tuning.layer_decay)
    checkpoints = Checkpoints(folder, remote)
    restored = checkpoints.restore(objective, optimizer)
    best, spent, figures = restored.best, restored.seconds, dict(restored.report)
    if not restored.epoch and not restored.step:
        began = time.perf_counter()
        figures = stages.before(run, objective, target_side, source_side, source_data.statistics, world.device)
        spent = time.perf_counter() - began
    method = METHODS[run.method]
    mixes = method.mixes
    inspector = Inspector(task, validation, source, source_data.split("val") if method.partner == "source" else None)
    # CutMix takes its patches from other samples of the target.
    partner = {"source": source_side, "target": target_side, None: None}[method.partner]
    facts = source_head.chance(source, source_side.split) if method.partner == "source" else {}
    always_noisy = isinstance(objective, MixedFineTuning) and objective.noisy_throughout
    order = Order(
        seed=run.seed,
        samples=len(target_side),
        sources=len(partner or source_side),
        batch=run.optimizer.batch,
        accumulate=run.optimizer.accumulate,
        rank=world.rank,
        workers=world.size,
        mix_share=run.mix_share,
    )
    own = objective.model.tokens
    tokens = (own, own if partner is target_side else objective.model.body.source_tokens(source.spatial_shape))
    steps = order.steps * run.epochs
    placed = {id(side): prefetch.place(side, world.device) for side in (target_side, partner) if side is not None}
    sides = placed[id(target_side)], placed.get(id(partner))
    compilation.compile_blocks(objective.model.body, run, steps, world)
    passes = graphs.passes(objective, run, world, order.size)
    if restored.epoch and not world.broadcast(not world.is_main or report(figures)):
        raise Stopped

    saver = Saver(checkpoints, objective, optimizer)
    with saver:
        for epoch in range(restored.epoch, run.epochs):
            began = time.perf_counter()
            objective.train()
            begun = restored if epoch == restored.epoch else TrainingState()
            # Only rank 0 keeps restored sums, so that they count once for any number of workers.
            watched = {name: total.to(world.device) * world.is_main for name, total in begun.watched.items()}
            batches = prefetch.epoch(order, epoch, *sides, world.device, begun.step)
            for step, parts in enumerate(batches, start=epoch * order.steps + begun.step):
                if should_preempt():
                    seconds = spent + time.perf_counter() - began
                    so_far = TrainingState(epoch, best, figures, seconds, step - epoch * order.steps, watched)
                    saver.now(so_far)
                    raise Preempted
                torch.manual_seed(order.dropout_seed(step))
                progress = step / steps
                k = patches(share(run.curriculum, progress), *tokens, run.curriculum.counts) if mixes else 0
                noisy = always_noisy or (run.gate.noise > 0 and progress < run.gate.noise_until)
                optim.schedule(optimizer, run.optimizer, step, steps)
                optimizer.zero_grad()
                for index, (part, batch) in enumerate(parts):
                    noise = order.noise(step, part.rows, tokens, world.device) if noisy and k else None
                    found = passes(Inputs.of(batch, k, noise, part.mixed), index == len(parts) - 1)
                    for name, total in found.items():
                        watched[name] = watched[name] + total if name in watched else total.clone()
                if run.optimizer.clip:
                    clip_grad_norm_(objective.parameters(), run.optimizer.clip)
                optimizer.step()

            aligned = figures if epoch == 0 else {}
            figures = _figures(watched, world, order.steps * order.size)
            if not math.isfinite(figures["loss"]):
                raise TrainingError(f"the loss became {figures['loss']} in epoch {epoch + 1}")
            figures["samples_per_second"] = order.steps * order.size / (time.perf_counter() - began)
            figures["memory"] = _memory(world.device)
            predictions = predict(objective.model, task, validation.x, world, run.precision)
            go_on = True
            if predictions is not None:
                loss, metric = evaluate(task, predictions, validation)
                if best is None or task.metric.better(metric, best.metric):
                    best = Best(epoch + 1, metric)
                pictures = inspector.look(objective, k, predictions) if due(epoch + 1, run.epochs) else {}
                spent += time.perf_counter() - began
                figures |= {f"lr_{name}": rate for name, rate in optim.rates(optimizer).items()}
                figures |= aligned | facts | {"samples": (epoch + 1) * order.steps * order.size, "seconds": spent}
                figures |= {"epoch": epoch + 1, "objective": best.metric, "val_metric": metric, "val_loss": loss}
                saver.epoch(TrainingState(epoch + 1, best, figures, spent))
                go_on = report(figures | pictures)
            if not world.broadcast(go_on):
                raise Stopped

    if best is None:  # only rank 0 knows the best epoch
        return None
    saver.load_best(best.epoch)
    tuning.merge(objective.model.body)
    return Trained(objective.model.eval(), best)


def _figures(watched: Mapping[str, Tensor], world: DistributedContext, samples: int) -> dict[str, float]:
    """Return means per sample over an epoch and all workers; only here does the host wait for the device."""
    totals = dict(zip(watched, world.sum(torch.stack(list(watched.values()))), strict=True))
    mixed = totals.get("mixed", torch.tensor(samples))
    means = torch.stack([total / (mixed if name in OF_MIXED else samples) for name, total in totals.items()])
    return dict(zip(totals, means.tolist(), strict=True))


def _memory(device: torch.device) -> float:
    """Return the peak GiB of this process's tensors on the GPU or, without a GPU, the GiB it holds now."""
    held = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else psutil.Process().memory_info().rss
    return held / 2**30
