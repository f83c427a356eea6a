"""The gate: one score per patch, shared by both modalities, and the straight-through path of its gradient.

Shapes: B samples, N target tokens, S source tokens, D token width.
"""

import torch
from torch import Tensor, nn


class PatchGate(nn.Module):
    """g: tokens (B, N, D) → scores (B, N) in (0, 1), by one Linear(D → 1) and a sigmoid.

    With `hidden` > 0 a hidden layer of that many units comes first.
    """

    def __init__(self, width: int, hidden: int = 0) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(width, hidden), nn.GELU()) if hidden else nn.Identity()
        self.score = nn.Linear(hidden or width, 1)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        return self.score(self.features(tokens_BND)).squeeze(-1).sigmoid()


def straight_through(keys_BN: Tensor, threshold_B1: Tensor, temperature: float) -> Tensor:
    """Return a factor (B, N) that is exactly 1 forward and carries the gradient of the relaxed inclusion probability.

    r = sigmoid((a - θ) / temperature) → 1 + r - stop(r), where θ (B, 1) is the score at the edge of the selection.
    θ is held constant, so that every kept patch, including the one at the edge, gets a gradient to its own score.
    """
    relaxed = torch.sigmoid((keys_BN - threshold_B1.detach()) / temperature)
    return 1 + (relaxed - relaxed.detach())
