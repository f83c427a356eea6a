"""ViT and DeiT, the latter with a token for distillation beside the class token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from transformers import DeiTModel, ViTModel

from pare.method.bodies.vision import VisionTransformer


class VitBody(VisionTransformer):
    """A ViT."""

    architecture = ViTModel
    options: ClassVar = {"add_pooling_layer": False}
    image_mean: ClassVar[Sequence[float]] = (0.5, 0.5, 0.5)
    image_std: ClassVar[Sequence[float]] = (0.5, 0.5, 0.5)

    def __init__(self, model: Any) -> None:
        embeddings = model.embeddings
        names = ("cls_token", "distillation_token")
        special = torch.cat([getattr(embeddings, name)[0] for name in names if hasattr(embeddings, name)])
        positions = embeddings.position_embeddings[0]
        super().__init__(
            model.config,
            model.layers,
            embeddings.patch_embeddings.projection,
            positions[len(special) :],
            special + positions[: len(special)],
            model.layernorm,
        )


class DeitBody(VitBody):
    """A DeiT."""

    architecture = DeiTModel
    image_mean: ClassVar[Sequence[float]] = (0.485, 0.456, 0.406)
    image_std: ClassVar[Sequence[float]] = (0.229, 0.224, 0.225)
