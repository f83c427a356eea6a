"""CutMix on tokens (Yun et al. 2019): patches of another target sample replace as many of this one's.

It needs no source, so its results show the effect of mixing alone, without cross-modal patches. The curriculum gives
the number of places, which are drawn at random, and a patch keeps its place.

Shapes: M mixed samples, N tokens, D token width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pare.method import replacement
from pare.method.model import CrossModalModel
from pare.method.objective import Criterion, Mixed, MixedFineTuning, Mixing


class TokenCutMix(MixedFineTuning):
    """L = ℓ_t(h_tar(T), y) + w·[(1 - λ)·ℓ_t(h_tar(M), y) + λ·ℓ_t(h_tar(M), y′)], y′ the other sample's target.

    For a dense target the fields are mixed too: each cell of the patch grid takes the values of the sample that its
    patch comes from, and the second term is w·ℓ_t(h_tar(M), mixed field).
    """

    def __init__(self, model: CrossModalModel, criterion: Criterion, mix_weight: float, dense: bool) -> None:
        super().__init__(model, criterion, mix_weight)
        self.grid = model.body.grid_in(model.tokens) if dense else None

    def mix(self, target_MND: Tensor, y: Tensor, mixing: Mixing) -> Mixed:  # noqa: ARG002
        if mixing.noise is None:
            raise ValueError("CutMix chooses places at random: it needs noise")
        other_MND = self.model.embed(mixing.source_x)
        replaced_MN = replacement.first(mixing.noise[0], mixing.k)
        tokens_MND = torch.where(replaced_MN[:, :, None], other_MND, target_MND)
        return Mixed(tokens_MND, replaced_MN.float().mean(1), replaced_MN, {})

    def mixed_loss(
        self,
        predictions: Tensor,
        features_MLF: Tensor,  # noqa: ARG002
        y: Tensor,
        mixing: Mixing,
        mixed: Mixed,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if self.grid is not None and mixed.replaced_MN is not None:
            field = mix_fields(y, mixing.source_y, mixed.replaced_MN, self.grid)
            loss_M = self._target_loss(predictions, field)
        else:
            own_M, other_M = (self._target_loss(predictions, targets) for targets in (y, mixing.source_y))
            loss_M = (1 - mixed.lambda_M) * own_M + mixed.lambda_M * other_M
        return loss_M, {"loss_mixed": loss_M.detach()}


def mix_fields(y: Tensor, other: Tensor, replaced_MN: Tensor, grid: Sequence[int]) -> Tensor:
    """Mix fields (M, …, H, W) or (M, …, L): take `other` where the patch of a `grid` cell was replaced."""
    if math.prod(grid) != replaced_MN.shape[1]:
        raise ValueError(f"{replaced_MN.shape[1]} patches do not lie on a grid of {tuple(grid)}")
    shape = y.shape[-len(grid) :]
    cells = replaced_MN.view(len(y), 1, *grid).float()
    where = F.interpolate(cells, size=shape, mode="nearest-exact") > 0.5
    return torch.where(where.view(len(y), *(1,) * (y.dim() - 1 - len(grid)), *shape), other, y)
