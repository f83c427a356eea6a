"""What every body has: a transformer pretrained on another modality, which takes token embeddings as input.

`forward(tokens (B, N, D))` returns features (B, M, features), laid out on the grid `grid_out(N)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from pare.errors import RequestError
from pare.method.embedder import PatchEmbedder, TextEmbedder


class Body(nn.Module, ABC):
    """The base of all families. A subclass is made of the `architecture` that transformers loads."""

    modality: ClassVar[Literal["1d", "2d"]]
    architecture: ClassVar[Any]
    """Class of transformers that holds the pretrained weights."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Arguments of that class beside its configuration."""
    projections: ClassVar[tuple[str, str, str]]
    """Names of the query, key and value projections; all the same where one matrix makes the three."""
    image_mean: ClassVar[Sequence[float]] = ()
    image_std: ClassVar[Sequence[float]] = ()
    """Mean and deviation of each channel that images in [0, 1] are normalised with, where the folder does not say."""
    usual_size: ClassVar[int] = 0
    """Image size in pixels that the family is used at, where the folder does not say; 0 is the configuration's."""

    config: Any
    """Hugging Face's configuration, of the body as it is now."""
    width: int
    """Width D of its tokens."""
    features: int
    """Width of its output."""
    encoder: Any
    """The part that holds the layers."""
    source_embedder: PatchEmbedder | TextEmbedder
    """The frozen embedder that it was pretrained with."""

    @abstractmethod
    def tokens(self, spatial_shape: Sequence[int], patch: int) -> int:
        """N for a target of `spatial_shape`, (L,) or (H, W); `patch` counts samples of a sequence.

        Raises:
            RequestError: the target is of another modality, or makes tokens that the body has no positions for.
        """

    @abstractmethod
    def source_tokens(self, spatial_shape: Sequence[int]) -> int:
        """S for a source sample of `spatial_shape`."""

    @abstractmethod
    def grid_in(self, tokens: int) -> tuple[int, ...]:
        """Return the grid of its tokens, (N,) or (rows, columns)."""

    @abstractmethod
    def grid_out(self, tokens: int) -> tuple[int, ...]:
        """Return the grid of its features."""

    @abstractmethod
    def embedder(self, channels: int, spatial_shape: Sequence[int], patch: int) -> PatchEmbedder:
        """Build an embedder for a target of `channels` × `spatial_shape`, initialised from the body's own."""

    @abstractmethod
    def forward(self, tokens_BND: Tensor) -> Tensor: ...

    @property
    def layers(self) -> nn.ModuleList:
        """Layers from the first to the last."""
        return self.encoder if isinstance(self.encoder, nn.ModuleList) else self.encoder.layer

    def blocks(self) -> list[nn.Module]:
        """Return the parts with a learning rate of their own, from the first to the last."""
        return list(self.layers)

    def half_norms(self) -> list[nn.Module]:
        """Return norms that run in half precision under autocast, weights included."""
        return []

    def compile_blocks(self, every: bool = True) -> bool:  # noqa: ARG002
        """Train with compiled blocks from now on, every one or those of which there are many of a kind.

        Returns whether that is possible.
        """
        return False

    def cut(self, layers: int) -> None:
        """Keep the first `layers` layers, in place.

        Raises:
            RequestError: there are fewer.
        """
        own = len(self.layers)
        if layers > own:
            raise RequestError(f"num_hidden_layers is {layers}: the body has {own} layers; give at most as many, or 0")
        del self.layers[layers:]
        self.config.num_hidden_layers = layers

    def resize(self, image_size: int, patch_size: int) -> None:
        """Take images of another size, and patches of another, in pixels, in place; 0 keeps one. Not for sequences.

        Raises:
            RequestError: the sizes do not fit together.
        """

    def initialise_embeddings(self) -> None:
        """Draw anew what `initialise` does not know: positions, words, class tokens."""

    def source_statistics(self, statistics: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the statistics that source samples are normalised with: the body's own where it states them."""
        mean, std = (getattr(self.config, name, None) for name in ("image_mean", "image_std"))
        if mean is None or std is None:
            return statistics
        own = {"input_mean": mean, "input_std": std}
        return {**statistics, **{name: np.array(each, dtype=np.float32)[:, None, None] for name, each in own.items()}}


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Draw Xavier weights for every linear map and convolution, and deviation 1/√width for embeddings.

    Hugging Face's fixed standard deviation of .02 is far too small for narrow bodies: it alone costs tens of points.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, Body):
            part.initialise_embeddings()
