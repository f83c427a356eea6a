"""Families of bodies, one adapter file each, found by `model_type` of Hugging Face's configuration.

This module imports neither torch nor transformers, so that an unknown family is refused at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from pare.errors import RequestError

IMAGES: Mapping[str, str] = {
    "beit": "beit:BeitBody",
    "clip": "clip:ClipBody",
    "clip_vision_model": "clip:ClipBody",
    "deit": "vit:DeitBody",
    "dinov2": "dinov2:Dinov2Body",
    "dinov2_with_registers": "dinov2:Dinov2WithRegistersBody",
    "siglip": "siglip:SiglipBody",
    "siglip_vision_model": "siglip:SiglipBody",
    "swin": "swin:SwinBody",
    "swinv2": "swinv2:Swinv2Body",
    "vit": "vit:VitBody",
}
"""Bodies of images: `model_type` → module and class."""

SEQUENCES: Mapping[str, str] = {
    "bert": "bert:BertBody",
    "deberta-v2": "deberta:DebertaBody",
    "distilbert": "distilbert:DistilbertBody",
    "electra": "electra:ElectraBody",
    "esm": "esm:EsmBody",
    "modernbert": "modernbert:ModernbertBody",
    "mpnet": "mpnet:MpnetBody",
    "roberta": "bert:RobertaBody",
    "xlm-roberta": "bert:XlmRobertaBody",
}
"""Bodies of sequences: `model_type` → module and class."""


def require_family(name: str, model_type: str) -> None:
    """Check that there is an adapter for the body called `name`.

    Raises:
        RequestError: there is none for its `model_type`; lists those there are.
    """
    if model_type not in IMAGES and model_type not in SEQUENCES:
        raise RequestError(
            f"body {name!r} is of type {model_type!r}: choose one of {', '.join(IMAGES)} (images), or of "
            f"{', '.join(SEQUENCES)} (sequences)"
        )
