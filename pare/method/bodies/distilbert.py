"""DistilBERT."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from transformers import DistilBertModel

from pare.method.bodies.sequence import SequenceBody


class DistilbertBody(SequenceBody):
    """A DistilBERT, which knows no types of tokens."""

    architecture = DistilBertModel
    options: ClassVar = {}
    projections = ("q_lin", "k_lin", "v_lin")

    def __init__(self, model: Any) -> None:
        embeddings = model.embeddings
        super().__init__(model.config, model.transformer, embeddings, embeddings.position_embeddings.weight)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        return self.encoder(tokens_BND).last_hidden_state
