"""Bodies: Hugging Face transformers pretrained on another modality, which take token embeddings as input.

A body has a `modality`, the `width` D of its tokens, the width `features` of its output, and `source_embedder`, the
frozen embedder that it was pretrained with, which makes `source_tokens(spatial_shape)` tokens of a source sample.
`forward(tokens (B, N, D))` returns features (B, M, features), laid out on the grid `grid_out(N)`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedConfig,
    RobertaConfig,
    RobertaModel,
    SwinConfig,
    SwinModel,
)

from pare.errors import RequestError
from pare.method import bundled, catalogue, hub_models, roberta, swin
from pare.method.embedder import PatchEmbedder, TextEmbedder, adapt


def _take_former_names(module: nn.Module, state: dict[str, torch.Tensor], prefix: str, *_: Any) -> None:  # noqa: ARG001
    """Read checkpoints and models of version 0.1, in which the source embedder was called `own`."""
    for name in [name for name in state if name.startswith(f"{prefix}own.")]:
        state[f"{prefix}source_embedder.{name.removeprefix(f'{prefix}own.')}"] = state.pop(name)


class SwinBody(nn.Module):
    """A Swin transformer (2D): tokens of the patch grid → normalised features of its last stage."""

    modality = "2d"
    projections = ("q_proj", "k_proj", "v_proj")
    """Names of the query, key and value projections."""

    def __init__(self, model: SwinModel) -> None:
        super().__init__()
        config = model.config
        self.config = config
        self.width: int = config.embed_dim
        self.features: int = model.num_features
        self.size = _pair(config.image_size)
        self.patch = _pair(config.patch_size)
        self.grid = (self.size[0] // self.patch[0], self.size[1] // self.patch[1])
        self.encoder = model.encoder
        self.windowed = swin.SwinEncoder.fitting(config, self.grid)
        self.norm = model.layernorm
        own = model.embeddings.patch_embeddings.projection
        self.source_embedder = PatchEmbedder(own, model.embeddings.norm, size=self.size).requires_grad_(False)
        self.register_load_state_dict_pre_hook(_take_former_names)

    def tokens(self, spatial_shape: Sequence[int], patch: int) -> int:  # noqa: ARG002 - images are resized to the body's size
        """N for a target of `spatial_shape` (H, W).

        Raises:
            RequestError: the target is no image.
        """
        if len(spatial_shape) != 2:
            raise RequestError(
                f"target of shape {tuple(spatial_shape)} for a Swin body: sequences take a RoBERTa-like one"
            )
        return math.prod(self.grid)

    def source_tokens(self, spatial_shape: Sequence[int]) -> int:
        """S for a source sample of `spatial_shape` (H, W)."""
        return self.tokens(spatial_shape, 1)

    def grid_in(self, tokens: int) -> tuple[int, ...]:  # noqa: ARG002
        """Height and width of the patch grid."""
        return self.grid

    def grid_out(self, tokens: int) -> tuple[int, ...]:  # noqa: ARG002
        """Height and width of the feature map: each stage but the last halves the patch grid."""
        halvings = 2 ** (len(self.config.depths) - 1)
        return tuple(math.ceil(side / halvings) for side in self.grid)

    def embedder(self, channels: int, spatial_shape: Sequence[int], patch: int) -> PatchEmbedder:  # noqa: ARG002
        """A new embedder for a target of `channels` × `spatial_shape`, initialised from the body's own."""
        projection, norm = (
            adapt(self.source_embedder.projection, channels, self.patch),
            copy.deepcopy(self.source_embedder.norm),
        )
        return PatchEmbedder(projection, norm, size=self.size).requires_grad_(True)

    def blocks(self) -> list[nn.Module]:
        """Parts from the first to the last, including patch merging."""
        return [part for stage in self.encoder.layers for part in (*stage.blocks, stage.downsample) if part is not None]

    def half_norms(self) -> list[nn.Module]:
        """Norms that run in half precision under autocast, weights included: all after the first stage."""
        if self.windowed is None:
            return []
        _, *later = self.encoder.layers
        return [part for stage in later for part in stage.modules() if isinstance(part, nn.LayerNorm)]

    def compile_blocks(self) -> bool:
        """Train with compiled blocks from now on; returns whether that is possible."""
        if self.windowed is None or self.config.drop_path_rate:
            return False
        self.windowed.block = torch.compile(swin.block, dynamic=False)
        return True

    def forward(self, tokens_BND: Tensor) -> Tensor:
        if self.windowed is None:  # a grid that needs padding
            return self.norm(self.encoder(tokens_BND, self.grid).last_hidden_state)
        return self.norm(self.windowed(self.encoder, tokens_BND))


class RobertaBody(nn.Module):
    """A RoBERTa- or BERT-like transformer (1D): tokens in sequence → features of the same length.

    Its own embedder reads what the body was pretrained on: text, as token ids, or, if its configuration has a
    `signal_patch`, signals of one channel with that many samples per token. Positions and norm are those of its
    embedding layer.
    """

    modality = "1d"
    projections = ("query", "key", "value")
    """Names of the query, key and value projections."""

    def __init__(self, model: RobertaModel | BertModel) -> None:
        super().__init__()
        config = model.config
        self.config = config
        self.width: int = config.hidden_size
        self.features: int = config.hidden_size
        self.encoder = model.encoder
        embeddings = model.embeddings
        # RoBERTa's first position is padding_idx + 1, BERT's is 0; every token of a signal is of type 0.
        first = embeddings.padding_idx + 1 if isinstance(model, RobertaModel) else 0
        positions = embeddings.position_embeddings.weight.detach()[first:]
        self.block = roberta.block
        self.register_buffer("positions", positions + embeddings.token_type_embeddings.weight.detach()[0])
        self.positions: Tensor
        self.signal_patch: int | None = getattr(config, "signal_patch", None)
        self.source_embedder: PatchEmbedder | TextEmbedder = TextEmbedder(embeddings)
        if self.signal_patch is not None:
            own = nn.Conv1d(1, self.width, self.signal_patch, self.signal_patch)
            self.source_embedder = PatchEmbedder(own, embeddings.LayerNorm, self.positions)
        self.source_embedder.requires_grad_(False)
        self.register_load_state_dict_pre_hook(_take_former_names)

    def tokens(self, spatial_shape: Sequence[int], patch: int) -> int:
        """N for a target of `spatial_shape` (L,) with `patch` samples per token.

        Raises:
            RequestError: the target is no sequence, the patch does not divide its length, or it makes more tokens than
                the body has positions.
        """
        if len(spatial_shape) != 1:
            raise RequestError(f"target of shape {tuple(spatial_shape)} for a RoBERTa-like body: images take a Swin")
        tokens, rest = divmod(spatial_shape[0], patch)
        if rest or tokens > len(self.positions):
            raise RequestError(
                f"patch is {patch} for {spatial_shape[0]} samples: give a divisor that makes "
                f"at most {len(self.positions)} tokens"
            )
        return tokens

    def source_tokens(self, spatial_shape: Sequence[int]) -> int:
        """S for a source sample of `spatial_shape` (L,), in samples of a signal or tokens of a text."""
        return self.tokens(spatial_shape, self.signal_patch or 1)

    def grid_in(self, tokens: int) -> tuple[int, ...]:
        """Number of tokens."""
        return (tokens,)

    def grid_out(self, tokens: int) -> tuple[int, ...]:
        """One feature vector per token."""
        return (tokens,)

    def embedder(self, channels: int, spatial_shape: Sequence[int], patch: int) -> PatchEmbedder:
        """A new embedder for a target of `channels` × `spatial_shape`, initialised from the body's own.

        A text body has no filters to copy: its projection is new, and only norm and positions come from the body.
        """
        norm: Any = (
            self.source_embedder.norm
            if isinstance(self.source_embedder, PatchEmbedder)
            else self.source_embedder.embeddings.LayerNorm
        )
        if isinstance(self.source_embedder, PatchEmbedder):
            projection = adapt(self.source_embedder.projection, channels, (patch,))
        else:
            projection = nn.Conv1d(channels, self.width, patch, patch)
            initialise(projection)
        positions = self.positions[: self.tokens(spatial_shape, patch)]
        return PatchEmbedder(projection, copy.deepcopy(norm), positions).requires_grad_(True)

    def blocks(self) -> list[nn.Module]:
        """Layers from the first to the last."""
        return list(self.encoder.layer)

    def half_norms(self) -> list[nn.Module]:
        """Norms that run in half precision under autocast: none."""
        return []

    def compile_blocks(self) -> bool:
        """Train with compiled blocks from now on; returns whether that is possible."""
        self.block = torch.compile(roberta.block, dynamic=False)
        return True

    def forward(self, tokens_BND: Tensor) -> Tensor:
        run = self.block if self.training else roberta.block
        for layer in self.encoder.layer:
            tokens_BND = run(layer, tokens_BND)
        return tokens_BND


Body = SwinBody | RobertaBody


def load(name: str, *, pretrained: bool = True, drop_path: float = 0.0) -> Body:
    """Load the body called `name`: a small one of this package, a Hugging Face name, or a local directory.

    Only safetensors are read. `pretrained=False` gives the same architecture with the weights of `initialise`.
    `drop_path` is the highest rate of stochastic depth (Swin).

    Raises:
        RequestError: no such body, one that is neither Swin- nor RoBERTa-like, or the hub cannot be reached.
    """
    if name in catalogue.SMALL:
        body = from_config(catalogue.SMALL[name], drop_path=drop_path)
        if pretrained and catalogue.is_bundled(name):
            bundled.read(body, catalogue.folder(name))
        return body
    config = hub_models.read_config(name)
    if not pretrained:
        return from_config(config.to_dict(), drop_path=drop_path)
    _regularise(config, drop_path)
    return _wrap(hub_models.read_model(name, config))


def from_config(config: Mapping[str, Any], *, drop_path: float = 0.0) -> Body:
    """Build a body from a Hugging Face configuration, with well-scaled random weights."""
    kinds: dict[str, tuple[Any, Any]] = {
        "swin": (SwinConfig, SwinModel),
        "roberta": (RobertaConfig, RobertaModel),
        "bert": (BertConfig, BertModel),
    }
    kind = str(config.get("model_type"))
    hub_models.check_kind(kind, kind)
    make_config, make_model = kinds[kind]
    made = make_config(**config)
    _regularise(made, drop_path)
    body = _wrap(make_model(made, add_pooling_layer=False))
    initialise(body)
    return body


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
        elif isinstance(part, RobertaBody):
            part.positions.normal_(std=part.width**-0.5)
            if isinstance(part.source_embedder, TextEmbedder):
                part.source_embedder.initialise(part.positions)
            elif part.source_embedder.positions is not None:
                part.source_embedder.positions.copy_(part.positions)


def _regularise(config: PreTrainedConfig, drop_path: float) -> None:
    """Remove all dropout and set the drop path asked for, as released, whatever the configuration says."""
    rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "drop_path_rate": drop_path}
    for name, rate in rates.items():
        if hasattr(config, name):
            setattr(config, name, rate)


def _wrap(model: nn.Module) -> Body:
    if isinstance(model, SwinModel):
        return SwinBody(model)
    if isinstance(model, RobertaModel | BertModel):
        return RobertaBody(model)
    raise RequestError(f"body of type {type(model).__name__}: choose a Swin (2D) or a RoBERTa or BERT (1D)")


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
