"""Swin: windows of patches, and stages that halve the grid and double the width."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from torch import Tensor, nn
from transformers import SwinModel

from pare.errors import RequestError
from pare.method.blocks import compiled
from pare.method.bodies import windows
from pare.method.bodies.sequence import take_former_names
from pare.method.bodies.vision import Grid, ImageBody


class SwinBody(ImageBody):
    """A Swin: tokens of the patch grid → normalised features of its last stage."""

    architecture = SwinModel
    options: ClassVar = {"add_pooling_layer": False}

    def __init__(self, model: Any) -> None:
        config, embeddings = model.config, model.embeddings
        projection = embeddings.patch_embeddings.projection
        super().__init__(config, model.encoder, model.layernorm, projection, embeddings.norm)
        self.width = config.embed_dim
        self.features = model.num_features
        self.windowed = self.windows()
        self.register_load_state_dict_pre_hook(take_former_names)

    def windows(self) -> windows.SwinEncoder | None:
        """Return what runs the layers with constant work done once; None for a grid that needs padding."""
        return windows.SwinEncoder.fitting(self.config, self.grid)

    def grid_out(self, tokens: int) -> tuple[int, ...]:  # noqa: ARG002
        """Each stage but the last halves the patch grid."""
        halvings = 2 ** (len(self.config.depths) - 1)
        return tuple(math.ceil(side / halvings) for side in self.grid)

    def blocks(self) -> list[nn.Module]:
        """Return all blocks, and the patch mergings between them."""
        return [part for stage in self.encoder.layers for part in (*stage.blocks, stage.downsample) if part is not None]

    def half_norms(self) -> list[nn.Module]:
        """Return all norms after the first stage, whose tokens are fp32."""
        if self.windowed is None:
            return []
        _, *later = self.encoder.layers
        return [part for stage in later for part in stage.modules() if isinstance(part, nn.LayerNorm)]

    def compile_blocks(self, every: bool = True) -> bool:
        if self.windowed is None or self.config.drop_path_rate:
            return False
        self.windowed.block, self.windowed.every = compiled(windows.block), every
        return True

    def cut(self, layers: int) -> None:
        """Refuse: the final norm fits no other stage than the last.

        Raises:
            RequestError: always.
        """
        raise RequestError(f"num_hidden_layers is {layers}: a Swin's stages differ in width, so it keeps all; give 0")

    def regrid(self, before: Grid) -> None:  # noqa: ARG002
        """Build the layers for the new grid, with the same weights.

        Raises:
            RequestError: the grid of a stage is smaller than a window.
        """
        self.require_windows()
        encoder = type(self.encoder)(self.config, self.grid)
        encoder.load_state_dict(self.encoder.state_dict())
        self.encoder, self.windowed = encoder, self.windows()

    def require_windows(self) -> None:
        """Check that a window fits into the grid of every stage.

        Raises:
            RequestError: it does not.
        """
        least = self.config.window_size * 2 ** (len(self.config.depths) - 1)
        if min(self.grid) < least:
            raise RequestError(
                f"image_size is {self.size[0]} with patches of {self.patch[0]}: give at least {least * self.patch[0]}, "
                "so that a window fits into the last stage of this Swin"
            )

    def forward(self, tokens_BND: Tensor) -> Tensor:
        if self.windowed is None:
            return self.norm(self.encoder(tokens_BND, self.grid).last_hidden_state)
        return self.norm(self.windowed(self.encoder, tokens_BND))
