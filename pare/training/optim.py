"""Parameter groups, update rule and learning-rate schedule of a run."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from pare.config import Optimizer
from pare.method.objective import FineTuning, PatchReplacement

BETAS = (0.9, 0.98)


def groups(objective: FineTuning) -> dict[str, list[nn.Parameter]]:
    """The parameters that train, by the group whose learning rate they follow: embedder, body, gate, heads."""
    model = objective.model
    named: dict[str, Iterable[nn.Parameter]] = {
        "embedder": model.embedder.parameters(),
        "body": model.body.parameters(),
        "heads": model.head.parameters(),
    }
    if isinstance(objective, PatchReplacement):
        named["gate"] = objective.gate.parameters()
        named["heads"] = [*model.head.parameters(), *objective.source_head.parameters()]
    return {name: [p for p in parameters if p.requires_grad] for name, parameters in named.items()}


def build(objective: FineTuning, config: Optimizer) -> torch.optim.Optimizer:
    """The optimiser of a run; biases, norms and positions (one-dimensional or per-position) do not decay."""
    rates = vars(config.lr)
    parameters = []
    for name, members in groups(objective).items():
        for decays in (True, False):
            chosen = [p for p in members if (p.ndim > 1) == decays]
            if chosen:
                decay = config.weight_decay if decays else 0.0
                parameters.append({"params": chosen, "lr": rates[name], "weight_decay": decay, "name": name})
    if config.name == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(parameters, lr=0.0, momentum=config.momentum)
    elif config.name == "adam":
        optimizer = torch.optim.Adam(parameters, lr=0.0, betas=BETAS)
    else:
        optimizer = torch.optim.AdamW(parameters, lr=0.0, betas=BETAS)
    for group in optimizer.param_groups:
        group["peak"] = group["lr"]
    return optimizer


def multiplier(config: Optimizer, step: int, steps: int) -> float:
    """What the peak rate is multiplied by at update `step` of `steps`.

    Linear rise over `warmup`, linear fall that would reach 0 at `decay_until`, never below 0; the first update moves.
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
