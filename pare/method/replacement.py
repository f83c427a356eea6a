"""Selection and replacement of patches: the k best source patches take the places of the k worst target patches.

Pure functions of tensors with static shapes: k is a tensor, so nothing recompiles as the curriculum lowers it. No code
loops over samples or over k, or waits for the device. Shapes: B samples, N target tokens, S source tokens,
D token width.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from pare.method.gate import straight_through


class Selection(NamedTuple):
    """Masks of the selected patches. `count_B` = k_b; exactly k_b entries are set in each row of both masks."""

    source_BS: Tensor
    target_BN: Tensor
    count_B: Tensor
    source_edge_B1: Tensor
    """Key of the last source patch chosen by rank (before the threshold): θ of the straight-through gradient."""
    target_edge_B1: Tensor
    """Key of the last target patch that is replaced."""


def gumbel(uniform: Tensor) -> Tensor:
    """Return standard Gumbel noise from uniform numbers in [0, 1)."""
    tiny = torch.finfo(uniform.dtype).tiny
    return -(-uniform.clamp_min(tiny).log()).clamp_min(tiny).log()


def _best(keys_BN: Tensor, count_B1: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mask of each row's `count` largest keys and the smallest of those keys (the edge), by one sort."""
    sorted_BN, order_BN = keys_BN.sort(dim=1, descending=True, stable=True)
    ranks_N = torch.arange(keys_BN.shape[1], device=keys_BN.device)
    chosen_BN = torch.zeros_like(keys_BN, dtype=torch.bool).scatter(1, order_BN, ranks_N < count_B1)
    return chosen_BN, sorted_BN.gather(1, (count_B1 - 1).clamp_min(0))


def first(keys_BN: Tensor, k: Tensor) -> Tensor:
    """Return the mask (B, N) of each row's k largest keys."""
    return _best(keys_BN, k.expand(len(keys_BN), 1))[0]


def select(
    target_scores_BN: Tensor,
    source_scores_BS: Tensor,
    target_keys_BN: Tensor,
    source_keys_BS: Tensor,
    k: Tensor,
    threshold: float,
    real_BS: Tensor | None = None,
) -> Selection:
    """Choose the k source patches of highest key whose *score* reaches `threshold`, and as many worst target patches.

    If the source has padding, only `real_BS` patches are chosen, fewer than k if there are fewer.

    Keys are the scores, perturbed by noise in the early phase (a Gumbel-top-k) and equal to them afterwards. `k` is an
    integer tensor without dimensions, at most min(N, S). τ = 0 is the paper's rule: k_b = k for every sample.
    """
    k_B1 = k.expand(target_scores_BN.shape[0], 1)
    if real_BS is not None:
        k_B1 = torch.minimum(k_B1, real_BS.sum(1, keepdim=True))
        source_keys_BS = source_keys_BS.masked_fill(~real_BS, -torch.inf)
    ranked_BS, source_edge_B1 = _best(source_keys_BS, k_B1)
    source_BS = ranked_BS & (source_scores_BS >= threshold)
    count_B = source_BS.sum(1)
    target_BN, negated_edge_B1 = _best(-target_keys_BN, count_B[:, None])
    return Selection(source_BS, target_BN, count_B, source_edge_B1, -negated_edge_B1)


def replace(target_BND: Tensor, source_BSD: Tensor, selection: Selection) -> Tensor:
    """Return M (B, N, D), with the i-th selected source patch at the i-th selected target place in raster order."""
    # A stable sort brings each row's selected source positions to the front without disturbing their raster order.
    raster_BS = selection.source_BS.logical_not().to(torch.uint8).argsort(dim=1, stable=True)
    turn_BN = selection.target_BN.cumsum(1).sub(1).clamp(0, raster_BS.shape[1] - 1)
    incoming_BN = raster_BS.gather(1, turn_BN)
    incoming_BND = source_BSD.gather(1, incoming_BN[:, :, None].expand(-1, -1, source_BSD.shape[2]))
    return torch.where(selection.target_BN[:, :, None], incoming_BND, target_BND)


def mix(
    target_BND: Tensor,
    source_BSD: Tensor,
    target_scores_BN: Tensor,
    source_scores_BS: Tensor,
    noise: tuple[Tensor, Tensor] | None,
    k: Tensor,
    threshold: float,
    temperature: float,
    real_BS: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the intermediate modality M (B, N, D) and each sample's share of replaced patches λ_b = k_b / N (B,).

    `noise`, already scaled, is added to the target (B, N) and source (B, S) scores in the early phase. The gate gets
    its gradient in every phase: kept patches are multiplied by a straight-through factor whose forward value is 1.
    `real_BS` marks the source patches that are not padding; padding is never selected.
    """
    target_keys_BN, source_keys_BS = target_scores_BN, source_scores_BS
    if noise is not None:
        target_keys_BN, source_keys_BS = target_keys_BN + noise[0], source_keys_BS + noise[1]
    selection = select(target_scores_BN, source_scores_BS, target_keys_BN, source_keys_BS, k, threshold, real_BS)
    kept_BN = straight_through(target_keys_BN, selection.target_edge_B1, temperature)
    entered_BS = straight_through(source_keys_BS, selection.source_edge_B1, temperature)
    mixed_BND = replace(target_BND * kept_BN[:, :, None], source_BSD * entered_BS[:, :, None], selection)
    return mixed_BND, selection.count_B / target_BND.shape[1]
