"""Find and build bodies by name: one of this package, of Hugging Face's hub, or of a folder in its format."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from transformers import PreTrainedConfig

from pare.method import bodies, bundled, catalogue, hub_models
from pare.method.bodies.base import Body, initialise

__all__ = ["Body", "family", "from_config", "initialise", "load"]

_DROPOUT = (
    "attention_dropout",
    "attention_probs_dropout_prob",
    "dropout",
    "embedding_dropout",
    "hidden_dropout_prob",
    "mlp_dropout",
)
_BACKBONE = ("out_features", "out_indices", "stage_names")
"""Settings of a configuration that name layers, which a body may have fewer of, and that it does not read."""


def load(
    name: str,
    *,
    pretrained: bool = True,
    drop_path: float = 0.0,
    layers: int = 0,
    image_size: int = 0,
    patch_size: int = 0,
) -> Body:
    """Load the body called `name`: a small one of this package, a Hugging Face name, or a local directory.

    Only safetensors are read. `pretrained=False` gives the same architecture with the weights of `initialise`.
    `drop_path` is the highest rate of stochastic depth, in families that know it. `layers` above 0 keeps the first
    ones only; `image_size` and `patch_size`, in pixels, replace those that the body was made for.

    Raises:
        RequestError: no such body, one of a family without an adapter, or one that cannot take these settings; or the
            hub cannot be reached.
    """
    if name in catalogue.SMALL:
        body = from_config(catalogue.SMALL[name], drop_path=drop_path)
        if pretrained and catalogue.is_bundled(name):
            bundled.read(body, catalogue.folder(name))
    else:
        config = hub_models.read_config(name)
        kind = family(str(config.model_type))
        config = getattr(config, "vision_config", config)
        stated = hub_models.read_preprocessor(name) if kind.modality == "2d" else {}
        if kind.modality == "2d":
            config.image_mean = list(stated.get("image_mean", kind.image_mean))
            config.image_std = list(stated.get("image_std", kind.image_std))
        if pretrained:
            _regularise(config, drop_path)
            body = kind(hub_models.read_model(name, config, kind.architecture, kind.options))
        else:
            body = from_config(config.to_dict(), drop_path=drop_path)
        image_size = image_size or stated.get("image_size", kind.usual_size)
    body.resize(image_size, patch_size)
    if layers:
        body.cut(layers)
    return body


def from_config(config: Mapping[str, Any], *, drop_path: float = 0.0) -> Body:
    """Build a body from a Hugging Face configuration, with well-scaled random weights.

    Raises:
        RequestError: there is no adapter for its `model_type`.
    """
    kind = family(str(config.get("model_type")))
    values = {name: value for name, value in config.get("vision_config", config).items() if name not in _BACKBONE}
    made = kind.architecture.config_class(**values)
    _regularise(made, drop_path)
    body = kind(kind.architecture(made, **kind.options))
    initialise(body)
    return body


def family(model_type: str) -> type[Any]:
    """Return the adapter for a `model_type` of Hugging Face's configurations.

    Raises:
        RequestError: there is none; lists those there are.
    """
    bodies.require_family(model_type, model_type)
    module, _, name = {**bodies.IMAGES, **bodies.SEQUENCES}[model_type].partition(":")
    return getattr(import_module(f"{bodies.__name__}.{module}"), name)


def _regularise(config: PreTrainedConfig, drop_path: float) -> None:
    """Remove all dropout and set the drop path asked for, as released, whatever the configuration says."""
    for name, rate in {**dict.fromkeys(_DROPOUT, 0.0), "drop_path_rate": drop_path}.items():
        if hasattr(config, name):
            setattr(config, name, rate)
