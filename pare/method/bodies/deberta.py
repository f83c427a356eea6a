"""DeBERTa v2 and v3: relative positions in its attention, absolute ones only where its configuration says so."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers import DebertaV2Model

from pare.method.bodies.sequence import SequenceBody


class DebertaBody(SequenceBody):
    """A DeBERTa of as many tokens as its `max_position_embeddings`."""

    architecture = DebertaV2Model
    options: ClassVar = {}
    projections = ("query_proj", "key_proj", "value_proj")

    def __init__(self, model: Any) -> None:
        embeddings = model.embeddings
        positions = None
        if embeddings.position_embeddings is not None:
            positions = embeddings.position_embeddings.weight
            if embeddings.token_type_embeddings is not None:
                positions = positions + embeddings.token_type_embeddings.weight[0]
            if embeddings.embed_proj is not None:
                positions = embeddings.embed_proj(positions)
        super().__init__(model.config, model.encoder, embeddings, positions)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        whole = torch.ones(tokens_BND.shape[:2], dtype=torch.long, device=tokens_BND.device)
        return self.encoder(tokens_BND, whole, output_hidden_states=False).last_hidden_state
