"""Which layers of a body are kept, and which parameters train: all, norms, all but queries and keys, or adapters."""

from __future__ import annotations

from typing import Any

from torch import nn

from pare.config import Scope
from pare.errors import RequestError
from pare.method.body import Body, SwinBody


def cut(body: Body, layers: int) -> None:
    """Keep the first `layers` layers of a body, in place; 0 keeps all.

    Raises:
        RequestError: there are fewer, or it is a Swin, whose final norm fits no other stage than the last.
    """
    if layers == 0:
        return
    if isinstance(body, SwinBody):
        raise RequestError(f"num_hidden_layers is {layers}: a Swin's stages differ in width, so it keeps all; give 0")
    own = len(body.encoder.layer)
    if layers > own:
        raise RequestError(f"num_hidden_layers is {layers}: the body has {own} layers; give at most as many, or 0")
    body.encoder.layer = body.encoder.layer[:layers]
    body.config.num_hidden_layers = layers


def restrict(body: Body, scope: Scope, lora_rank: int = 8) -> None:
    """Freeze, in place, all parameters outside `scope`; the body's own embedder is always frozen."""
    query, key, value = body.projections
    if scope == "lora":
        from peft import LoraConfig, inject_adapter_in_model  # slow to import (1 s): only runs with adapters need it

        body.requires_grad_(False)
        config = LoraConfig(r=lora_rank, lora_alpha=2 * lora_rank, target_modules=[query, value])
        inject_adapter_in_model(config, body.encoder)
    elif scope == "norms":
        body.requires_grad_(False)
        for part in body.modules():
            if isinstance(part, nn.LayerNorm):
                part.requires_grad_(True)
    elif scope == "no_query_key":
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
