"""BEiT: relative positions, of each layer or shared by all; absolute ones only where its configuration says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BeitModel

from pare.method.bodies.vision import Grid, VisionTransformer

_SPECIAL = 3
"""Rows at the end of a table of relative positions: from the class token, to it, and to itself."""


class BeitBody(VisionTransformer):
    """A BEiT. One that pools by the mean has no last norm."""

    architecture = BeitModel
    options: ClassVar = {"add_pooling_layer": False}
    image_mean: ClassVar[Sequence[float]] = (0.5, 0.5, 0.5)
    image_std: ClassVar[Sequence[float]] = (0.5, 0.5, 0.5)

    def __init__(self, model: Any) -> None:
        embeddings = model.embeddings
        positions, special = embeddings.position_embeddings, embeddings.cls_token[0]
        if positions is not None:
            special = special + positions[0, :1]
        super().__init__(
            model.config,
            model.layers,
            embeddings.patch_embeddings.projection,
            None if positions is None else positions[0, 1:],
            special,
            model.layernorm,
        )
        self.shared: Any = model.shared_position_bias
        self.register_buffer("places", None, persistent=False)
        self.keep_places()

    def biases(self) -> list[Any]:
        """Return the parts that hold a table of relative positions."""
        return [part for part in self.modules() if hasattr(part, "relative_position_bias_table")]

    def keep_places(self) -> None:
        """Hold the row of each pair of tokens on the device: transformers copies them from the host in every step."""
        for part in self.biases():
            self.places = type(part).generate_relative_position_index(self.grid)
            part.generate_relative_position_index = lambda _: self.places

    def regrid(self, before: Grid) -> None:
        """Resample the tables of relative positions, and tell the layers of the patches."""
        layer: Any
        for layer in self.layers:
            layer.patch_size = self.patch[0]
        for part in self.biases():
            _resample(part, before, self.grid)
        self.keep_places()

    def run(self, layer: nn.Module, tokens_BND: Tensor) -> Tensor:
        bias = None if self.shared is None else self.shared(self.grid)
        return layer(tokens_BND, bias, resolution=self.size)


@torch.no_grad()
def _resample(part: Any, before: Grid, after: Grid) -> None:
    """Resample a table of relative positions in place, bilinearly, as transformers does in every step."""
    table, size = part.relative_position_bias_table, (2 * after[0] - 1, 2 * after[1] - 1)
    image = table[:-_SPECIAL].T.unflatten(1, (2 * before[0] - 1, 2 * before[1] - 1))[None]
    patches = F.interpolate(image, size=size, mode="bilinear")[0].flatten(1).T
    part.relative_position_bias_table = nn.Parameter(torch.cat([patches, table[-_SPECIAL:]]))
    part.window_size, part.num_relative_distance = after, size[0] * size[1] + _SPECIAL
