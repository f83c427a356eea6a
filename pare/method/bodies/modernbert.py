"""ModernBERT: rotary positions, and layers that see all tokens or the near ones in turn."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers import ModernBertModel
from transformers.masking_utils import create_bidirectional_mask, create_bidirectional_sliding_window_mask

from pare.method.bodies.sequence import SequenceBody

_MASKS = {
    "full_attention": create_bidirectional_mask,
    "sliding_attention": create_bidirectional_sliding_window_mask,
}


class ModernbertBody(SequenceBody):
    """A ModernBERT, which makes query, key and value by one matrix."""

    architecture = ModernBertModel
    options: ClassVar = {}
    projections = ("Wqkv", "Wqkv", "Wqkv")
    embedding_norm = "norm"

    def __init__(self, model: Any) -> None:
        super().__init__(model.config, model.layers, model.embeddings, None)
        self.norm, self.rotary = model.final_norm, model.rotary_emb

    def cut(self, layers: int) -> None:
        super().cut(layers)
        self.config.layer_types = self.config.layer_types[:layers]

    def forward(self, tokens_BND: Tensor) -> Tensor:
        places = torch.arange(tokens_BND.shape[1], device=tokens_BND.device)[None]
        kinds = set(self.config.layer_types)
        masks = {kind: _MASKS[kind](self.config, tokens_BND, None) for kind in kinds}
        angles = {kind: self.rotary(tokens_BND, places, kind) for kind in kinds}
        for layer in self.layers:
            kind = layer.attention_type
            tokens_BND = layer(tokens_BND, attention_mask=masks[kind], position_embeddings=angles[kind])
        return self.norm(tokens_BND)
