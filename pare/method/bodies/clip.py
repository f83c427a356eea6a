"""The vision tower of CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from transformers import CLIPVisionModel

from pare.method.bodies.vision import VisionTransformer


class ClipBody(VisionTransformer):
    """A CLIP's vision tower. Its norms, before the layers and after them, apply to every patch."""

    architecture = CLIPVisionModel
    image_mean: ClassVar[Sequence[float]] = (0.48145466, 0.4578275, 0.40821073)
    image_std: ClassVar[Sequence[float]] = (0.26862954, 0.26130258, 0.27577711)

    def __init__(self, model: Any) -> None:
        embeddings = model.embeddings
        positions = embeddings.position_embedding.weight
        super().__init__(
            model.config,
            model.encoder.layers,
            embeddings.patch_embedding,
            positions[1:],
            model.pre_layrnorm(embeddings.class_embedding[None] + positions[:1]),
            model.post_layernorm,
            model.pre_layrnorm,
        )
