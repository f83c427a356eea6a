"""Objectives: the loss of fine-tuning alone, and PaRe's loss over target, mixed and source predictions.

An objective holds all modules that train: the model to keep, and those that only training needs. Its `forward` runs the
body once on a part of the batch and returns the loss per sample.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pare.config import Gate, Run, Selector
from pare.losses import hits
from pare.method import replacement
from pare.method.body import initialise
from pare.method.embedder import TextEmbedder
from pare.method.gate import PatchGate
from pare.method.model import CrossModalModel, Interface, predictor, scale_weights

Criterion = Callable[[Tensor, Tensor], Tensor]
"""(predictions (B, …), targets (B, …)) → loss per sample (B,)."""


class Mixing(NamedTuple):
    """Inputs of the mixed pass: a partner sample for each mixed one, the number of patches to replace, and the noise.

    `k` is an integer tensor without dimensions; `noise` is standard Gumbel, (M, N) for the target, (M, S) for the
    source, or None outside the noisy phase. `rows` (M,) are the rows of the batch that are mixed, None for all.
    """

    source_x: Tensor
    source_y: Tensor
    k: Tensor
    noise: tuple[Tensor, Tensor] | None
    rows: Tensor | None = None


OF_MIXED = ("loss_source", "source_accuracy", "gate_mean", "gate_spread", "gate_above_threshold")
"""Figures of mixed samples only: their means divide by the number of samples that `mixed` counts."""


class Losses(NamedTuple):
    """Loss per sample (B,): the total and, detached, its parts and other figures by name.

    In a partly mixed batch, figures of the source cover only the mixed samples (M,).
    """

    total: Tensor
    watched: dict[str, Tensor]


class FineTuning(nn.Module):
    """ℓ_t(h_tar(T), y): naive fine-tuning, and every baseline that differs only in which parameters train."""

    def __init__(self, model: CrossModalModel, criterion: Criterion) -> None:
        super().__init__()
        self.model = model
        self.criterion = criterion

    def forward(self, x: Tensor, y: Tensor, mixing: Mixing | None) -> Losses:
        """Return the loss per sample of a batch x (B, *shape), y (B, …); `mixing` must be None."""
        if mixing is not None:
            raise ValueError("fine-tuning without replacement takes no source batch")
        loss_B = self._target_loss(self.model(x), y)
        return Losses(loss_B, {"loss_target": loss_B.detach()})

    def _target_loss(self, predictions: Tensor, y: Tensor) -> Tensor:
        return self.criterion(predictions, y)


class Mixed(NamedTuple):
    """The intermediate modality: tokens M (M, N, D), the share λ (M,) of replaced places, the mask (M, N) of replaced
    places if the loss needs it, and figures to report."""

    tokens_MND: Tensor
    lambda_M: Tensor
    replaced_MN: Tensor | None
    watched: dict[str, Tensor]


class MixedFineTuning(FineTuning, ABC):
    """L = ℓ_t(h_tar(T), y) + w·ℓ_mixed(M, …): fine-tuning with a second pass over tokens of two samples."""

    noisy_throughout = True
    """Whether the selection needs noise in every step, not only in an early phase."""

    def __init__(self, model: CrossModalModel, criterion: Criterion, mix_weight: float) -> None:
        super().__init__(model, criterion)
        self.mix_weight = mix_weight

    @abstractmethod
    def mix(self, target_MND: Tensor, y: Tensor, mixing: Mixing) -> Mixed:
        """Replace patches in the target tokens of the mixed samples, whose targets are y (M, …)."""

    @abstractmethod
    def mixed_loss(
        self, predictions: Tensor, features_MLF: Tensor, y: Tensor, mixing: Mixing, mixed: Mixed
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss (M,) of the mixed samples from target predictions and features, and figures to report."""

    def forward(self, x: Tensor, y: Tensor, mixing: Mixing | None) -> Losses:
        """Return the loss per sample; without mixing (k = 0), M equals T, so one pass over T gives both terms."""
        w = self.mix_weight
        if mixing is None:
            target_B = self._target_loss(self.model(x), y)
            still_B = target_B.detach()
            none_B = torch.zeros_like(still_B)
            watched = {"loss_target": still_B, "loss_mixed": still_B, "lambda": none_B, "mixed": none_B}
            return Losses((1 + w) * target_B, watched)

        rows = mixing.rows
        target_BND = self.model.embed(x)
        y_M = y if rows is None else y[rows]
        mixed = self.mix(target_BND if rows is None else target_BND[rows], y_M, mixing)
        features = self.model.body(torch.cat([target_BND, mixed.tokens_MND]))
        predictions = self.model.decode(features)
        target_B = self._target_loss(predictions[: len(x)], y)
        mixed_M, watched = self.mixed_loss(predictions[len(x) :], features[len(x) :], y_M, mixing, mixed)
        mixed_B, lambda_B = mixed_M, mixed.lambda_M
        if rows is not None:
            # The other samples have k = 0, so their M is T.
            mixed_B = target_B.index_copy(0, rows, mixed_M)
            lambda_B = torch.zeros_like(target_B).index_copy(0, rows, mixed.lambda_M.to(target_B.dtype))
        shown = {"loss_target": target_B.detach(), **watched, "lambda": lambda_B, **mixed.watched}
        shown["mixed"] = torch.ones_like(mixed_M.detach())
        return Losses(target_B + w * mixed_B, shown)


class PatchReplacement(MixedFineTuning):
    """L = ℓ_t(h_tar(T), y_t) + w·[(1 - λ)·ℓ_t(h_tar(M), y_t) + λ·ℓ_s(h_src(M), y_s)], λ per sample (PaRe).

    The selector is the gate; or noise alone, without a gate; or, for target patches, saliency, with source patches
    drawn at random.
    """

    source_mean: Tensor
    source_std: Tensor

    def __init__(
        self,
        model: CrossModalModel,
        criterion: Criterion,
        run: Run,
        select: Selector,
        source: Interface,
        source_criterion: Criterion,
        source_statistics: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        super().__init__(model, criterion, run.mix_weight)
        self.settings: Gate = run.gate
        self.select = select
        self.noisy_throughout = select != "gate"
        for name, default in (("mean", 0.0), ("std", 1.0)):
            array = np.asarray((source_statistics or {}).get(f"input_{name}", default), dtype=np.float32)
            self.register_buffer(f"source_{name}", torch.from_numpy(array.copy()))
        self.gate: PatchGate | None = None
        if select == "gate":
            self.gate = PatchGate(model.body.width, run.gate.hidden)
            initialise(self.gate)
            scale_weights(self.gate.score, run.init.gate)
        # The source head predicts the source's own class or mask; the target head never sees source labels. If both
        # tasks are dense, it predicts the mask at the target's size.
        outputs = getattr(model.head, "outputs", None)
        self.source_head = predictor(source, model.body, model.tokens, outputs, scale=run.init.heads)
        self.source_criterion = source_criterion

    def embed_source(self, source_x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Embed source samples, without gradient, as tokens (M, S, D); for text, also mark non-padding (M, S)."""
        embedder = self.model.body.source_embedder
        normalised = (source_x - self.source_mean) / self.source_std
        with torch.no_grad():
            return embedder(normalised), embedder.real(normalised) if isinstance(embedder, TextEmbedder) else None

    def scores(self, target_MND: Tensor, source_MSD: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gate's scores (M, N) and (M, S); without a gate all are 0."""
        if self.gate is None:
            return target_MND.new_zeros(target_MND.shape[:2]), source_MSD.new_zeros(source_MSD.shape[:2])
        return self.gate(target_MND), self.gate(source_MSD)

    def mix(self, target_MND: Tensor, y: Tensor, mixing: Mixing) -> Mixed:
        source_MSD, real_MS = self.embed_source(mixing.source_x)
        target_scores_MN, source_scores_MS = self.scores(target_MND, source_MSD)
        noise, scale = mixing.noise, 1.0 if self.gate is None else self.settings.noise
        if noise is not None:
            noise = scale * noise[0], scale * noise[1]
        if self.select == "saliency":
            if noise is None:
                raise ValueError("selection by saliency takes source patches at random: it needs noise")
            target_scores_MN, noise = self._saliency(target_MND, y), (torch.zeros_like(noise[0]), noise[1])
        tokens_MND, lambda_M = replacement.mix(
            target_MND,
            source_MSD,
            target_scores_MN,
            source_scores_MS,
            noise,
            mixing.k,
            self.settings.threshold if self.gate is not None else 0.0,
            self.settings.temperature,
            real_MS,
        )
        if self.gate is None:
            return Mixed(tokens_MND, lambda_M, None, {})
        scores = torch.cat([target_scores_MN, source_scores_MS], dim=1).detach()
        above_MS = source_scores_MS.detach() >= self.settings.threshold
        watched = {
            "gate_mean": scores.mean(1),
            "gate_spread": scores.std(1),
            "gate_above_threshold": above_MS.float().mean(1),
        }
        return Mixed(tokens_MND, lambda_M, None, watched)

    def mixed_loss(
        self, predictions: Tensor, features_MLF: Tensor, y: Tensor, mixing: Mixing, mixed: Mixed
    ) -> tuple[Tensor, dict[str, Tensor]]:
        source_predictions = self.source_head(features_MLF).float()
        mixed_M = self._target_loss(predictions, y)
        source_M = self.source_criterion(source_predictions, mixing.source_y)
        loss_M = (1 - mixed.lambda_M) * mixed_M + mixed.lambda_M * source_M
        return loss_M, {
            "loss_mixed": mixed_M.detach(),
            "loss_source": source_M.detach(),
            "source_accuracy": hits(source_predictions.detach(), mixing.source_y),
        }

    def _saliency(self, target_MND: Tensor, y: Tensor) -> Tensor:
        """Return the saliency (M, N) of each patch, -⟨∂ℓ_t/∂T, T⟩: to first order, how much keeping it lowers ℓ_t.

        It is the straight-through gradient that a gate would receive at M = T, for each sample and patch.
        """
        tokens = target_MND.detach().requires_grad_()
        with torch.enable_grad():
            loss = self._target_loss(self.model.decode(self.model.body(tokens)), y).sum()
            (gradient_MND,) = torch.autograd.grad(loss, tokens)
        return -(gradient_MND * tokens.detach()).sum(-1)
