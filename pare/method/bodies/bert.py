"""BERT, RoBERTa and XLM-RoBERTa, on Hugging Face's modules and weights, casting each input of a block once.

Under autocast Hugging Face's layer casts the same fp32 tokens for query, key and value, and again on their way back.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor
from transformers import BertModel, RobertaModel, XLMRobertaModel

from pare.method.blocks import compiled, projected, working_type
from pare.method.bodies.sequence import SequenceBody


def block(layer: Any, tokens_BND: Tensor) -> Tensor:
    """Run one `RobertaLayer`, `BertLayer` or `ElectraLayer`, without dropout, on tokens (B, N, D) without padding."""
    attention, own = layer.attention, layer.attention.self
    dtype = working_type(tokens_BND)
    x = tokens_BND.to(dtype)
    heads = (*x.shape[:2], -1, own.attention_head_size)
    projections = (own.query, own.key, own.value)
    query, key, value = (part.view(heads).transpose(1, 2) for part in projected(projections, x))
    mixed = F.scaled_dot_product_attention(query, key, value, scale=own.scaling)
    x = attention.output.dense(mixed.transpose(1, 2).flatten(2))
    tokens_BND = attention.output.LayerNorm(x + tokens_BND)
    x = layer.output.dense(layer.intermediate(tokens_BND.to(dtype)))
    return layer.output.LayerNorm(x + tokens_BND)


class BertBody(SequenceBody):
    """A BERT, of which every token is of type 0."""

    architecture = BertModel
    projections = ("query", "key", "value")

    def __init__(self, model: Any) -> None:
        embeddings = model.embeddings
        positions = embeddings.position_embeddings.weight[self.first_position(embeddings) :]
        super().__init__(
            model.config, model.encoder, embeddings, positions + embeddings.token_type_embeddings.weight[0]
        )
        self.block = block

    @staticmethod
    def first_position(embeddings: Any) -> int:  # noqa: ARG004
        """Row of the table of positions that the first token has."""
        return 0

    def compile_blocks(self, every: bool = True) -> bool:  # noqa: ARG002 - they are all of one kind
        self.block = compiled(block)
        return True

    def forward(self, tokens_BND: Tensor) -> Tensor:
        run = self.block if self.training else block
        for layer in self.layers:
            tokens_BND = run(layer, tokens_BND)
        return tokens_BND


class RobertaBody(BertBody):
    """A RoBERTa, whose first positions are reserved for padding."""

    architecture = RobertaModel

    @staticmethod
    def first_position(embeddings: Any) -> int:
        return embeddings.padding_idx + 1


class XlmRobertaBody(RobertaBody):
    """An XLM-RoBERTa, a RoBERTa of a hundred languages."""

    architecture = XLMRobertaModel
