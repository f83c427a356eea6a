"""Which parameters of a body train: all, norms, all but queries and keys, or low-rank adapters beside them."""

from __future__ import annotations

from typing import Any

from torch import nn

from pare.config import Scope
from pare.errors import RequestError
from pare.method.bodies.base import Body


def restrict(body: Body, scope: Scope, lora_rank: int = 8) -> None:
    """Freeze, in place, all parameters outside `scope`; the body's own embedder is always frozen.

    Raises:
        RequestError: the scope leaves queries out, but one matrix makes them together with values.
    """
    query, key, value = body.projections
    if scope == "lora":
        from peft import LoraConfig, inject_adapter_in_model  # slow to import (1 s): only runs with adapters need it

        body.requires_grad_(False)
        config = LoraConfig(r=lora_rank, lora_alpha=2 * lora_rank, target_modules=list({query, value}))
        inject_adapter_in_model(config, body.encoder)
    elif scope == "norms":
        body.requires_grad_(False)
        for part in body.modules():
            if isinstance(part, nn.LayerNorm):
                part.requires_grad_(True)
    elif scope == "no_query_key":
        if query == value:
            raise RequestError(
                f"tuning.body is {scope!r}: a {body.config.model_type} makes queries, keys and values by one matrix; "
                "choose all, norms or lora"
            )
        for name, part in body.encoder.named_modules():
            if name.rpartition(".")[2] in (query, key):
                part.requires_grad_(False)
    body.source_embedder.requires_grad_(False)


def merge(body: Body) -> None:
    """Add low-rank adapters to the weights they adapt, in place, so that an ordinary body remains."""
    for parent in list(body.modules()):
        for name, child in list(parent.named_children()):
            adapted: Any = child
            if hasattr(adapted, "lora_A"):
                adapted.merge()
                setattr(parent, name, adapted.get_base_layer())
