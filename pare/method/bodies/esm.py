"""ESM-2: a language model of proteins, with rotary positions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import EsmModel

from pare.errors import RequestError
from pare.method.bodies.sequence import SequenceBody


class EsmBody(SequenceBody):
    """An ESM-2, most of which have no norm in their embedding layer.

    Raises:
        RequestError: it is an ESM-1b, with absolute positions.
    """

    architecture = EsmModel
    projections = ("query", "key", "value")
    embedding_norm = "layer_norm"

    def __init__(self, model: Any) -> None:
        if model.rotary_embeddings is None:
            raise RequestError("body is an ESM with absolute positions: take an ESM-2, which has rotary ones")
        super().__init__(model.config, model.encoder, model.embeddings, None)
        self.rotary = model.rotary_embeddings

    def forward(self, tokens_BND: Tensor) -> Tensor:
        places = torch.arange(tokens_BND.shape[1], device=tokens_BND.device)[None]
        angles = self.rotary(tokens_BND, places)
        return self.encoder(tokens_BND, position_embeddings=angles).last_hidden_state
