"""Embedders: raw samples of a modality → tokens that the body understands."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchEmbedder(nn.Module):
    """Samples (B, C, L) or (B, C, H, W) → tokens (B, N, D): resize, strided convolution, positions, LayerNorm.

    Positions, if the body has them, are added before the norm, as BERT-like bodies do themselves. `size` is the height
    and width that images are resized to (bilinear), None for sequences.
    """

    def __init__(
        self,
        projection: nn.Conv1d | nn.Conv2d,
        norm: nn.LayerNorm,
        positions_ND: Tensor | None = None,
        size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.projection = projection
        self.norm = norm
        self.positions = None if positions_ND is None else nn.Parameter(positions_ND.clone())
        self.size = None if size is None else tuple(size)

    def resize(self, x: Tensor) -> Tensor:
        """Images at the size that the body takes; sequences as they are."""
        return x if self.size is None or x.shape[-2:] == self.size else resize(x, self.size)

    def forward(self, x: Tensor) -> Tensor:
        tokens_BND = self.projection(self.resize(x)).flatten(2).transpose(1, 2)
        if self.positions is not None:
            tokens_BND = tokens_BND + self.positions[: tokens_BND.shape[1]]
        return self.norm(tokens_BND)


def resize(images: Tensor, size: Sequence[int]) -> Tensor:
    """Images (B, C, H, W) at another height and width, by bilinear interpolation."""
    # Each channel an image of its own: of several at once torch makes a copy on the CPU, at thirty times the cost.
    resized = F.interpolate(images.flatten(0, 1).unsqueeze(1), size=tuple(size), mode="bilinear", align_corners=False)
    return resized.view(*images.shape[:2], *size)


class TextEmbedder(nn.Module):
    """Token ids (B, L) or (B, 1, L), of any numeric type → tokens (B, L, D): a language model's own embedding layer."""

    embeddings: Any

    def __init__(self, embeddings: nn.Module) -> None:
        super().__init__()
        self.embeddings = embeddings

    @torch.no_grad()
    def initialise(self, positions_ND: Tensor) -> None:
        """Draw new words, and take over positions to which nothing is added by the type of a token."""
        words = self.embeddings.word_embeddings
        words.weight.normal_(std=words.embedding_dim**-0.5)
        words.weight[words.padding_idx] = 0
        self.embeddings.token_type_embeddings.weight.zero_()
        self.embeddings.position_embeddings.weight[-len(positions_ND) :] = positions_ND

    def forward(self, ids: Tensor) -> Tensor:
        return self.embeddings(ids.flatten(1).long())


@torch.no_grad()
def adapt(source: nn.Conv1d | nn.Conv2d, channels: int, patch: Sequence[int]) -> nn.Conv1d | nn.Conv2d:
    """A convolution for `channels` channels and patches of size `patch`, initialised from the body's own.

    The source filters are repeated cyclically over the channels and scaled by C_source / C_target, so that the response
    keeps its size whatever the number of channels (the released code leaves the scale out: with 57 channels its tokens
    are 19 times too large before the norm). A patch of another size resamples the filters, again keeping their sum.
    """
    weight = source.weight
    if tuple(patch) != source.kernel_size:
        mode = "linear" if len(patch) == 1 else "bilinear"
        area = weight[0, 0].numel()
        weight = F.interpolate(weight, size=tuple(patch), mode=mode, align_corners=False)
        weight = weight * (area / weight[0, 0].numel())
    cycle = torch.arange(channels, device=weight.device) % source.in_channels
    target = type(source)(channels, source.out_channels, tuple(patch), tuple(patch), bias=source.bias is not None)  # type: ignore[arg-type]
    target.weight.copy_(weight[:, cycle] * (source.in_channels / channels))
    if source.bias is not None and target.bias is not None:
        target.bias.copy_(source.bias)
    return target
