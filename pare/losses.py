"""Losses per sample: (predictions (B, …), targets (B, …)) → (B,).

They are not reduced because PaRe weighs each sample by its own share of replaced patches, and because one mean over the
whole batch does not depend on how the batch was split over workers or accumulated parts.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch takes seconds to import, and every task imports this module
    import torch
    from torch import Tensor


@cache
def constants(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Cache the numbers of a loss (n,) as a tensor: a recorded step cannot copy from the host."""
    import torch

    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def cross_entropy(predictions: Tensor, targets: Tensor) -> Tensor:
    """Softmax cross-entropy of logits (B, K) against classes (B,)."""
    import torch.nn.functional as F

    return F.cross_entropy(predictions, targets, reduction="none")


def binary_cross_entropy(predictions: Tensor, targets: Tensor, positive_weight: float = 1.0) -> Tensor:
    """Sigmoid cross-entropy of logits against targets in [0, 1] of the same shape (B, …), averaged within a sample.

    Positives count `positive_weight` times.
    """
    import torch.nn.functional as F

    weight = predictions.new_full((), positive_weight)
    losses = F.binary_cross_entropy_with_logits(predictions, targets, reduction="none", pos_weight=weight)
    return losses.flatten(1).mean(1)


def squared_error(predictions: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error within a sample; both (B, …)."""
    return (predictions - targets).square().flatten(1).mean(1)


def relative_l2(predictions: Tensor, targets: Tensor) -> Tensor:
    """‖predictions - targets‖₂ / ‖targets‖₂ within a sample; both (B, …)."""
    return (predictions - targets).flatten(1).norm(dim=1) / targets.flatten(1).norm(dim=1)


def hits(predictions: Tensor, targets: Tensor) -> Tensor:
    """Share of correct decisions per sample (B,): its class from logits (B, K), or every pixel of its mask.

    A mask of another size than the logits is sampled at the nearest pixels.
    """
    import torch.nn.functional as F

    if targets.ndim == 1:
        return (predictions.argmax(1) == targets).float()
    truth = targets.float()
    if targets.shape != predictions.shape:
        truth = F.interpolate(truth[:, None], predictions.shape[1:], mode="nearest-exact")[:, 0]
    return ((predictions > 0) == (truth > 0.5)).float().flatten(1).mean(1)
