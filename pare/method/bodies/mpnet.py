"""MPNet: absolute positions in its embeddings, and relative ones, shared by its layers."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import MPNetModel

from pare.method.bodies.sequence import SequenceBody


class MpnetBody(SequenceBody):
    """An MPNet, whose first positions are reserved for padding."""

    architecture = MPNetModel
    projections = ("q", "k", "v")

    def __init__(self, model: Any) -> None:
        embeddings = model.embeddings
        positions = embeddings.position_embeddings.weight[embeddings.padding_idx + 1 :]
        super().__init__(model.config, model.encoder, embeddings, positions)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        return self.encoder(tokens_BND)[0]
