"""The blocks of a RoBERTa- or BERT-like transformer, on Hugging Face's modules and weights, casting each input once.

Under autocast Hugging Face's layer casts the same fp32 tokens for query, key and value, and again on their way back.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from pare.method.blocks import projected, working_type


def block(layer: Any, tokens_BND: Tensor) -> Tensor:
    """Run one `RobertaLayer` or `BertLayer`, without dropout, on tokens (B, N, D) without padding."""
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
