"""DINOv2, with registers or without."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Dinov2Model, Dinov2WithRegistersModel

from pare.method.bodies.vision import VisionTransformer


class Dinov2Body(VisionTransformer):
    """A DINOv2: its table of positions is for images of 518 pixels, but 224 is what it is used at."""

    architecture = Dinov2Model
    usual_size = 224

    def __init__(self, model: Any) -> None:
        embeddings = model.embeddings
        positions = embeddings.position_embeddings[0]
        registers = getattr(embeddings, "register_tokens", positions[None, :0])  # they have no positions
        super().__init__(
            model.config,
            model.encoder.layer,
            embeddings.patch_embeddings.projection,
            positions[1:],
            torch.cat([embeddings.cls_token[0] + positions[:1], registers[0]]),
            model.layernorm,
        )


class Dinov2WithRegistersBody(Dinov2Body):
    """A DINOv2 with registers."""

    architecture = Dinov2WithRegistersModel
    antialias = True
