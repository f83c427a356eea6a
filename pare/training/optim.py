"""Parameter groups, update rule and learning-rate schedule of a run."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from pare.config import Optimizer
from pare.method.objective import FineTuning, PatchReplacement

BETAS = (0.9, 0.98)


def groups(objective: FineTuning, layer_decay: float = 1.0) -> Iterator[tuple[str, float, list[nn.Parameter]]]:
    """Assign trainable parameters to a group (embedder, body, gate, heads) and a factor of its learning rate.

    The factor is below 1 only in the body, where that of each block is `layer_decay` times that of the block above.
    """
    model = objective.model
    seen: set[nn.Parameter] = set()

    def trained(*modules: nn.Module) -> list[nn.Parameter]:
        fresh = [p for module in modules for p in module.parameters() if p.requires_grad and p not in seen]
        seen.update(fresh)
        return fresh

    for height, block in enumerate(reversed(model.body.blocks())):
        yield "body", layer_decay**height, trained(block)
    yield "body", 1.0, trained(model.body)
    yield "embedder", 1.0, trained(model.embedder)
    if isinstance(objective, PatchReplacement):
        if objective.gate is not None:
            yield "gate", 1.0, trained(objective.gate)
        yield "heads", 1.0, trained(objective.source_head)
    yield "heads", 1.0, trained(model.head)


def build(objective: FineTuning, config: Optimizer, layer_decay: float = 1.0) -> torch.optim.Optimizer:
    """Build the fused optimiser of a run; biases, norms and other vectors get no weight decay."""
    gathered: dict[tuple[str, float, bool], list[nn.Parameter]] = {}
    positions = None if config.decay_positions else objective.model.embedder.positions
    for name, factor, members in groups(objective, layer_decay):
        for parameter in members:
            decays = parameter.ndim > 1 and parameter is not positions
            gathered.setdefault((name, factor, decays), []).append(parameter)
    rates = vars(config.lr)
    parameters = [
        {
            "params": members,
            "lr": rates[name] * factor,
            "weight_decay": config.weight_decay if decays else 0.0,
            "name": name,
        }
        for (name, factor, decays), members in gathered.items()
    ]
    if config.name == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(parameters, lr=0.0, momentum=config.momentum, fused=True)
    elif config.name == "adam":
        optimizer = torch.optim.Adam(parameters, lr=0.0, betas=BETAS, fused=True)
    else:
        optimizer = torch.optim.AdamW(parameters, lr=0.0, betas=BETAS, fused=True)
    for group in optimizer.param_groups:
        group["peak"] = group["lr"]
    return optimizer


def multiplier(config: Optimizer, step: int, steps: int) -> float:
    """Return the factor of the peak rate at update `step` of `steps`.

    It rises linearly over `warmup`, falls linearly to reach 0 at `decay_until`, and is never below 0; it is above 0 at
    the first update.
    """
    warmup = config.warmup * steps
    if step < warmup:
        return min((step + 1) / warmup, 1.0)
    return max((config.decay_until * steps - step) / (config.decay_until * steps - warmup), 0.0)


def schedule(optimizer: torch.optim.Optimizer, config: Optimizer, step: int, steps: int) -> None:
    """Set every group's rate for update `step` (from 0) of `steps`."""
    factor = multiplier(config, step, steps)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


def rates(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """Return the current rate of each group; for the body, that of its top block."""
    current: dict[str, float] = {}
    for group in optimizer.param_groups:
        current[group["name"]] = max(group["lr"], current.get(group["name"], 0.0))
    return current
