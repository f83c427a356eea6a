"""The base of bodies of sequences (1D): tokens in sequence → features of the same length."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from pare.errors import RequestError
from pare.method import bodies
from pare.method.bodies.base import Body, initialise
from pare.method.embedder import PatchEmbedder, TextEmbedder, adapt


def take_former_names(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:  # noqa: ARG001
    """Read checkpoints and models of version 0.1, in which the source embedder was called `own`."""
    for name in [name for name in state if name.startswith(f"{prefix}own.")]:
        state[f"{prefix}source_embedder.{name.removeprefix(f'{prefix}own.')}"] = state.pop(name)


class SequenceBody(Body):
    """A transformer of text: positions and norm of a new embedder are those of its embedding layer.

    Its own embedder reads what the body was pretrained on: text, as token ids, or, if its configuration has a
    `signal_patch`, signals of one channel with that many samples per token. `positions` (N, D) are what the embedding
    layer adds to the token at each place, None where the layers themselves know the places; `most` tokens fit.
    """

    modality: ClassVar[Literal["1d", "2d"]] = "1d"
    options: ClassVar[Mapping[str, Any]] = {"add_pooling_layer": False}
    embedding_norm: ClassVar[str] = "LayerNorm"
    """Name of the norm of the embedding layer."""

    positions: Tensor | None
    source_embedder: PatchEmbedder | TextEmbedder

    def __init__(self, config: Any, encoder: nn.Module, embeddings: Any, positions_ND: Tensor | None) -> None:
        super().__init__()
        self.config = config
        self.width = self.features = config.hidden_size
        self.encoder = encoder
        self.register_buffer("positions", None if positions_ND is None else positions_ND.detach().clone())
        self.most: int = config.max_position_embeddings if positions_ND is None else len(positions_ND)
        self.signal_patch: int | None = getattr(config, "signal_patch", None)
        self.source_embedder = TextEmbedder(embeddings)
        if self.signal_patch is not None:
            own = nn.Conv1d(1, self.width, self.signal_patch, self.signal_patch)
            self.source_embedder = PatchEmbedder(own, getattr(embeddings, self.embedding_norm), self.positions)
        self.source_embedder.requires_grad_(False)
        self.register_load_state_dict_pre_hook(take_former_names)

    def tokens(self, spatial_shape: Sequence[int], patch: int) -> int:
        if len(spatial_shape) != 1:
            raise RequestError(
                f"target of shape {tuple(spatial_shape)} for a body of sequences ({self.config.model_type}): images "
                f"take one of {', '.join(bodies.IMAGES)}"
            )
        tokens, rest = divmod(spatial_shape[0], patch)
        if rest or tokens > self.most:
            raise RequestError(
                f"patch is {patch} for {spatial_shape[0]} samples: give a divisor that makes at most {self.most} tokens"
            )
        return tokens

    def source_tokens(self, spatial_shape: Sequence[int]) -> int:
        """S for a source sample of `spatial_shape` (L,), in samples of a signal or tokens of a text."""
        return self.tokens(spatial_shape, self.signal_patch or 1)

    def grid_in(self, tokens: int) -> tuple[int, ...]:
        return (tokens,)

    def grid_out(self, tokens: int) -> tuple[int, ...]:
        return (tokens,)

    def embedder(self, channels: int, spatial_shape: Sequence[int], patch: int) -> PatchEmbedder:
        """Build an embedder for a target of `channels` × `spatial_shape`, initialised from the body's own.

        A text body has no filters to copy: its projection is new, and only norm and positions come from the body.
        """
        own = self.source_embedder
        if isinstance(own, PatchEmbedder):
            projection, norm = adapt(own.projection, channels, (patch,)), own.norm
        else:
            projection, norm = nn.Conv1d(channels, self.width, patch, patch), own.norm(self.embedding_norm)
            initialise(projection)
        tokens = self.tokens(spatial_shape, patch)
        positions = None if self.positions is None else self.positions[:tokens]
        return PatchEmbedder(projection, copy.deepcopy(norm), positions).requires_grad_(True)

    @torch.no_grad()
    def initialise_embeddings(self) -> None:
        if self.positions is not None:
            self.positions.normal_(std=self.width**-0.5)
        if isinstance(self.source_embedder, TextEmbedder):
            self.source_embedder.initialise(self.positions)
        elif self.positions is not None and self.source_embedder.positions is not None:
            self.source_embedder.positions.copy_(self.positions)
