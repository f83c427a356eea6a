"""The vision tower of SigLIP, which has no class token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from transformers import SiglipVisionModel

from pare.method.bodies.vision import VisionTransformer


class SiglipBody(VisionTransformer):
    """A SigLIP's vision tower, without its pooling head."""

    architecture = SiglipVisionModel
    image_mean: ClassVar[Sequence[float]] = (0.5, 0.5, 0.5)
    image_std: ClassVar[Sequence[float]] = (0.5, 0.5, 0.5)

    def __init__(self, model: Any) -> None:
        embeddings = model.embeddings
        positions = embeddings.position_embedding.weight
        super().__init__(
            model.config, model.encoder.layers, embeddings.patch_embedding, positions, None, model.post_layernorm
        )
