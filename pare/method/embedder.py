"""Embedders: raw samples of a modality → tokens that the body understands."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pare.config import PositionOrder, Stem


class PatchEmbedder(nn.Module):
    """Samples (B, C, L) or (B, C, H, W) → tokens (B, N, D): resize, strided convolution, positions, norm.

    Positions, if the body has them, are added before the norm, as in BERT-like bodies, or after it, as in the released
    code (`position_order`). The norm of a body without one is the identity. `size` is the height and width that images
    are resized to (bilinear), None for sequences.
    """

    position_order: PositionOrder = "before_norm"

    def __init__(
        self,
        projection: nn.Conv1d | nn.Conv2d,
        norm: nn.Module,
        positions_ND: Tensor | None = None,
        size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.projection = projection
        self.norm = norm
        self.positions = None if positions_ND is None else nn.Parameter(positions_ND.clone())
        self.size = None if size is None else tuple(size)

    def resize(self, x: Tensor) -> Tensor:
        """Resize images to the body's size; return sequences unchanged."""
        return x if self.size is None or x.shape[-2:] == self.size else resize(x, self.size)

    def forward(self, x: Tensor) -> Tensor:
        tokens_BND = self.projection(self.resize(x)).flatten(2).transpose(1, 2)
        if self.positions is None:
            return self.norm(tokens_BND)
        positions_ND = self.positions[: tokens_BND.shape[1]]
        if self.position_order == "after_norm":
            return self.norm(tokens_BND) + positions_ND
        return self.norm(tokens_BND + positions_ND)

    @torch.no_grad()
    def randomise(self) -> None:
        """Reset all weights copied from the body: Xavier projection, default norm, positions of deviation 1/√width."""
        nn.init.xavier_uniform_(self.projection.weight)
        if self.projection.bias is not None:
            nn.init.zeros_(self.projection.bias)
        if isinstance(self.norm, nn.LayerNorm):
            self.norm.reset_parameters()
        if self.positions is not None:
            self.positions.normal_(std=self.positions.shape[1] ** -0.5)


def resize(images: Tensor, size: Sequence[int]) -> Tensor:
    """Resize images (B, C, H, W) by bilinear interpolation."""
    # Each channel is passed as its own image: on the CPU torch copies several channels, at thirty times the cost.
    resized = F.interpolate(images.flatten(0, 1).unsqueeze(1), size=tuple(size), mode="bilinear", align_corners=False)
    return resized.view(*images.shape[:2], *size)


class TextEmbedder(nn.Module):
    """Token ids (B, L) or (B, 1, L), of any numeric type → tokens (B, L, D): a language model's own embedding layer."""

    embeddings: Any

    def __init__(self, embeddings: nn.Module) -> None:
        super().__init__()
        self.embeddings = embeddings

    @property
    def words(self) -> nn.Embedding:
        """The table of words."""
        return getattr(self.embeddings, "word_embeddings", None) or self.embeddings.tok_embeddings

    def norm(self, name: str) -> nn.Module:
        """Return the norm of the layer, by its name; some have none."""
        return getattr(self.embeddings, name) or nn.Identity()

    @torch.no_grad()
    def initialise(self, positions_ND: Tensor | None) -> None:
        """Draw new word embeddings; copy the positions, if there are any, without the token type embedding."""
        words = self.words
        words.weight.normal_(std=words.embedding_dim**-0.5)
        if words.padding_idx is not None:
            words.weight[words.padding_idx] = 0
        types, places = (getattr(self.embeddings, f"{name}_embeddings", None) for name in ("token_type", "position"))
        if types is not None:
            types.weight.zero_()
        if positions_ND is not None and places is not None and places.embedding_dim == positions_ND.shape[1]:
            places.weight[-len(positions_ND) :] = positions_ND

    def real(self, ids: Tensor) -> Tensor:
        """Return which tokens (B, L) are not padding."""
        return ids.flatten(1).long().ne(-1 if self.words.padding_idx is None else self.words.padding_idx)

    def forward(self, ids: Tensor) -> Tensor:
        return self.embeddings(ids.flatten(1).long())


@torch.no_grad()
def adapt(
    source: nn.Conv1d | nn.Conv2d, channels: int, patch: Sequence[int], stem: Stem = "cycle"
) -> nn.Conv1d | nn.Conv2d:
    """Build a convolution for `channels` channels and patches of size `patch`, initialised from the body's own.

    The source filters are repeated cyclically over the channels and scaled by C_source / C_target, so that the size of
    the response does not depend on the number of channels (the released code omits the scale: with 57 channels its
    tokens are 19 times too large before the norm). For another patch size the filters are resampled, keeping their sum.

    With the stem "sum" a single channel gets the sum of the source's filters, whose response is exactly that to a grey
    image; the cycle would give three times the response of the first filter.
    """
    weight = source.weight
    if tuple(patch) != source.kernel_size:
        mode = "linear" if len(patch) == 1 else "bilinear"
        area = weight[0, 0].numel()
        weight = F.interpolate(weight, size=tuple(patch), mode=mode, align_corners=False)
        weight = weight * (area / weight[0, 0].numel())
    cycle = torch.arange(channels, device=weight.device) % source.in_channels
    target = type(source)(channels, source.out_channels, tuple(patch), tuple(patch), bias=source.bias is not None)  # type: ignore[arg-type]
    if stem == "sum" and channels == 1:
        target.weight.copy_(weight.sum(1, keepdim=True))
    else:
        target.weight.copy_(weight[:, cycle] * (source.in_channels / channels))
    if source.bias is not None and target.bias is not None:
        target.bias.copy_(source.bias)
    return target
