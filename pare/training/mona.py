"""MoNA's stage before fine-tuning (Ma et al. 2024, arXiv 2406.18864): an embedder that preserves source knowledge.

Fine-tuning on the target changes the body φ, and with it the source's features. The target embedder e is trained so
that, after one step of fine-tuning, source features of one class are close together and all of them are spread out:

    min over e of  ℓ_t(φ, e) + L_s(φ - α·∇_φ ℓ_t(φ, e)),   L_s = alignment + uniformity (Wang & Isola 2020).

The second term's gradient is a mixed second derivative; it is taken by a central difference of first ones (as in DARTS,
Liu et al. 2019), so that nothing is differentiated twice. The body itself stays as it was.

Shapes: B samples, F features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pare.config import Alignment
from pare.method.objective import FineTuning
from pare.training import sampling
from pare.training.optim import BETAS
from pare.training.prefetch import TrainSet

_SPREAD = 2.0
"""t of the uniformity loss, as published."""
_DIFFERENCE = 0.01
"""Length of the central difference's step in the body's weights, in each direction."""


def uniformity_and_alignment(features_BF: Tensor, y: Tensor) -> Tensor:
    """Return log mean exp(-2·‖z - z′‖²) over pairs plus mean ‖z - z′‖² over pairs of one class; z on the sphere."""
    z_BF = F.normalize(features_BF, dim=1)
    distances_BB = (2 - 2 * z_BF @ z_BF.T).clamp_min(0)
    other_BB = ~torch.eye(len(y), dtype=torch.bool, device=y.device)
    alike_BB = (y[:, None] == y) & other_BB
    spread = distances_BB[other_BB].mul(-_SPREAD).exp().mean().log()
    return spread + (distances_BB * alike_BB).sum() / alike_BB.sum().clamp_min(1)


def align(
    objective: FineTuning,
    target: TrainSet,
    source: TrainSet,
    source_statistics: tuple[Tensor, Tensor],
    settings: Alignment,
    rate: float,
    seed: int,
) -> dict[str, float]:
    """Train the target embedder and the predictor in place; `rate` is α, the body's learning rate in fine-tuning.

    Returns the source loss after one step of fine-tuning, at the first and at the last step of the stage.
    """
    model, device = objective.model, next(objective.parameters()).device
    rng = sampling.alignment(seed)
    body = [p for p in model.body.parameters() if p.requires_grad]
    moving = [*model.embedder.parameters(), *model.head.parameters()]
    optimizer = torch.optim.Adam(moving, lr=settings.lr, betas=BETAS)
    (mean, std), losses = source_statistics, []
    for _ in range(settings.steps):
        x, y = _draw(target, settings.batch, rng, device)
        source_x, source_y = _draw(source, settings.batch, rng, device)
        tokens = model.body.source_embedder((source_x - mean) / std)
        own = torch.autograd.grad(_target_loss(objective, x, y), [*moving, *body], allow_unused=True)
        first, step = own[: len(moving)], [None if g is None else -rate * g for g in own[len(moving) :]]
        with _moved(body, step):
            kept = uniformity_and_alignment(model.body(tokens).mean(1), classes(source_y))
            direction = torch.autograd.grad(kept, body, allow_unused=True)
        losses.append(float(kept.detach()))
        length = torch.sqrt(sum((g.square().sum() for g in direction if g is not None), torch.zeros(()).to(device)))
        small = float(_DIFFERENCE / length.clamp_min(1e-12))
        sides = []
        for sign in (1, -1):
            with _moved(body, [None if g is None else sign * small * g for g in direction]):
                sides.append(torch.autograd.grad(_target_loss(objective, x, y), moving, allow_unused=True))
        for parameter, own_gradient, up, down in zip(moving, first, *sides, strict=True):
            if own_gradient is not None and up is not None and down is not None:
                parameter.grad = own_gradient - rate * (up - down) / (2 * small)
        optimizer.step()
    optimizer.zero_grad()
    return {"mona_before": losses[0], "mona_after": losses[-1]}


def classes(y: Tensor) -> Tensor:
    """Return classes (B,) of a source: its own or, for masks, whether the foreground share is above the median."""
    if y.dim() == 1:
        return y
    share_B = y.flatten(1).float().mean(1)
    return (share_B > share_B.median()).long()


def _target_loss(objective: FineTuning, x: Tensor, y: Tensor) -> Tensor:
    return objective(x, y, None).total.mean()


@contextmanager
def _moved(parameters: Sequence[nn.Parameter], step: Sequence[Tensor | None]) -> Iterator[None]:
    """Context in which the weights are moved by a step."""
    moving = [(p, s) for p, s in zip(parameters, step, strict=True) if s is not None]
    with torch.no_grad():
        before = [p.detach().clone() for p, _ in moving]
        for parameter, way in moving:
            parameter.add_(way)
    try:
        yield
    finally:
        with torch.no_grad():
            # Copied back, not subtracted, so that the weights are restored bit for bit.
            for (parameter, _), value in zip(moving, before, strict=True):
                parameter.copy_(value)


def _draw(side: TrainSet, size: int, rng: np.random.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
    units = rng.integers(len(side), size=min(size, len(side)))
    x, y = side.draw(units, rng.integers(2**64, size=len(units), dtype=np.uint64))
    return torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
