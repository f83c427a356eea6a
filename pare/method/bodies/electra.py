"""ELECTRA: BERT's blocks, after a projection where its embeddings are narrower than its layers."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn
from transformers import ElectraModel

from pare.method.bodies.bert import BertBody


class ElectraBody(BertBody):
    """An ELECTRA, whose tokens have the width of its embeddings."""

    architecture = ElectraModel
    options: ClassVar = {}

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.width = model.config.embedding_size
        self.project = getattr(model, "embeddings_project", nn.Identity())

    def forward(self, tokens_BND: Tensor) -> Tensor:
        return super().forward(self.project(tokens_BND))
