"""What is minimised: the loss of fine-tuning alone, and PaRe's loss over target, mixed and source predictions.

An objective is everything that trains: the model to keep, and what only training needs. Its `forward` computes the loss
of a part of the batch, one body pass per call, and returns it per sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pare.config import Gate
from pare.method import replacement
from pare.method.body import initialise
from pare.method.gate import PatchGate
from pare.method.model import CrossModalModel, Interface, predictor

Criterion = Callable[[Tensor, Tensor], Tensor]
"""(predictions (B, …), targets (B, …)) → loss per sample (B,)."""


class Mixing(NamedTuple):
    """The source side of a step: a batch as large as the target's, how many patches to replace, and the noise.

    `k` is an integer tensor without dimensions; `noise` is standard Gumbel, (B, N) for the target, (B, S) for the
    source, or None outside the noisy phase.
    """

    source_x: Tensor
    source_y: Tensor
    k: Tensor
    noise: tuple[Tensor, Tensor] | None


class Losses(NamedTuple):
    """Loss per sample (B,): the total and, detached, its parts and the figures worth watching, by name."""

    total: Tensor
    watched: dict[str, Tensor]


class FineTuning(nn.Module):
    """ℓ_t(h_tar(T), y): naive fine-tuning, and every baseline that differs from it only in what is trained."""

    def __init__(self, model: CrossModalModel, criterion: Criterion) -> None:
        super().__init__()
        self.model = model
        self.criterion = criterion

    def forward(self, x: Tensor, y: Tensor, mixing: Mixing | None) -> Losses:
        """Loss per sample of a batch x (B, *shape), y (B, …); `mixing` is not for this objective and stays None."""
        if mixing is not None:
            raise ValueError("fine-tuning without replacement takes no source batch")
        loss_B = self._target_loss(self.model(x), y)
        return Losses(loss_B, {"loss_target": loss_B.detach()})

    def _target_loss(self, predictions: Tensor, y: Tensor) -> Tensor:
        return self.criterion(predictions, y)


class PatchReplacement(FineTuning):
    """L = ℓ_t(h_tar(T), y_t) + w·[(1 - λ)·ℓ_t(h_tar(M), y_t) + λ·ℓ_s(h_src(M), y_s)], λ per sample (PaRe)."""

    source_mean: Tensor
    source_std: Tensor

    def __init__(
        self,
        model: CrossModalModel,
        criterion: Criterion,
        gate: Gate,
        mix_weight: float,
        source: Interface,
        source_criterion: Criterion,
        source_statistics: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        super().__init__(model, criterion)
        self.settings = gate
        self.mix_weight = mix_weight
        for name, default in (("mean", 0.0), ("std", 1.0)):
            array = np.asarray((source_statistics or {}).get(f"input_{name}", default), dtype=np.float32)
            self.register_buffer(f"source_{name}", torch.from_numpy(array.copy()))
        self.gate = PatchGate(model.body.width)
        initialise(self.gate)
        # The source's own task, its class or its mask, never the target's head on decoded values. A mask is predicted
        # at the size of a target that is dense too.
        self.source_head = predictor(source, model.body, model.tokens, getattr(model.head, "outputs", None))
        self.source_criterion = source_criterion

    def forward(self, x: Tensor, y: Tensor, mixing: Mixing | None) -> Losses:
        """Loss per sample; without `mixing` (k = 0) M would be T itself, so one pass over T serves for both."""
        w = self.mix_weight
        if mixing is None:
            target_B = self._target_loss(self.model(x), y)
            still_B = target_B.detach()
            watched = {"loss_target": still_B, "loss_mixed": still_B, "lambda": torch.zeros_like(still_B)}
            return Losses((1 + w) * target_B, watched)

        target_BND = self.model.embed(x)
        with torch.no_grad():
            source_BSD = self.model.body.source_embedder((mixing.source_x - self.source_mean) / self.source_std)
        target_scores_BN, source_scores_BS = self.gate(target_BND), self.gate(source_BSD)
        noise = None if mixing.noise is None else tuple(self.settings.noise * part for part in mixing.noise)
        mixed_BND, lambda_B = replacement.mix(
            target_BND,
            source_BSD,
            target_scores_BN,
            source_scores_BS,
            noise,  # type: ignore[arg-type] # mypy loses the length of a generated tuple
            mixing.k,
            self.settings.threshold,
            self.settings.temperature,
        )

        features_2BMF = self.model.body(torch.cat([target_BND, mixed_BND]))
        predictions = self.model.decode(features_2BMF)
        source_predictions = self.source_head(features_2BMF[len(x) :])
        target_B = self._target_loss(predictions[: len(x)], y)
        mixed_B = self._target_loss(predictions[len(x) :], y)
        source_B = self.source_criterion(source_predictions.float(), mixing.source_y)
        total_B = target_B + w * ((1 - lambda_B) * mixed_B + lambda_B * source_B)
        scores = torch.cat([target_scores_BN, source_scores_BS], dim=1).detach()
        return Losses(
            total_B,
            {
                "loss_target": target_B.detach(),
                "loss_mixed": mixed_B.detach(),
                "loss_source": source_B.detach(),
                "lambda": lambda_B,
                "gate_mean": scores.mean(1),
                "gate_spread": scores.std(1),
                "gate_above_threshold": (source_scores_BS.detach() >= self.settings.threshold).float().mean(1),
            },
        )
