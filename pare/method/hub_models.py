"""Load transformers from Hugging Face's hub or a folder in its format, and check that every weight was loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from pare.errors import RequestError
from pare.method import bodies, catalogue
from pare.method.catalogue import WEIGHTS

_PREPROCESSOR = "preprocessor_config.json"
_INDEX = "model.safetensors.index.json"
_POINTER = b"version https://git-lfs"
_SHOWN = 5
_PARTS = ("encoder.", "embeddings.", "layers.", "transformer.")
"""Prefixes of weights that a body is made of."""
_UNUSED = re.compile(r"(^|\.)(mask_token|pooler\.|head\.|contact_head\.)")
"""Weights that transformers' models have and no body uses."""


def read_config(name: str) -> PreTrainedConfig:
    """Read the configuration of the model called `name`: a folder, or a model of the hub.

    Raises:
        RequestError: there is none, it cannot be read, or its type is not supported.
    """
    if Path(name).is_dir():
        catalogue.check_folder(Path(name))
    with _as_request_error(name), _quiet():
        stated, _ = PreTrainedConfig.get_config_dict(name)
        if "model_type" in stated:  # transformers itself does not know every one
            bodies.require_family(name, str(stated["model_type"]))
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    bodies.require_family(name, str(config.model_type))
    return config


def read_preprocessor(name: str) -> dict[str, Any]:
    """Read what images a model expects: `image_mean`, `image_std` and `image_size`, as far as its folder says.

    Raises:
        RequestError: its preprocessor_config.json is damaged.
    """
    path = Path(name) / _PREPROCESSOR
    if not Path(name).is_dir():
        try:
            path = Path(hf_hub_download(name, _PREPROCESSOR))
        except (OSError, ValueError):  # it has none, or its cache has not
            return {}
    if not path.is_file():
        return {}
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
        size = text.get("crop_size") if text.get("do_center_crop", True) else None
        size = size or text.get("size") or {}
        side = size if isinstance(size, int) else size.get("height", size.get("shortest_edge"))
        stated = {"image_mean": text.get("image_mean"), "image_std": text.get("image_std"), "image_size": side}
        return {key: value for key, value in stated.items() if value is not None}
    except (OSError, ValueError, AttributeError) as error:
        raise RequestError(f"{path} cannot be read ({error}): get it anew, or remove it") from error


def read_model(name: str, config: PreTrainedConfig, architecture: Any, options: Mapping[str, Any]) -> PreTrainedModel:
    """Load the model with its weights, float32, from safetensors only.

    Raises:
        RequestError: a file is damaged, or a weight is missing, of another shape, not finite or left over; names them.
    """
    if Path(name).is_dir():
        _check_weights(Path(name))
    with _as_request_error(name), _quiet():
        model, found = architecture.from_pretrained(
            name,
            config=config,
            **options,
            use_safetensors=True,
            dtype="float32",
            ignore_mismatched_sizes=True,  # reported below
            output_loading_info=True,
        )
        _check_loaded(name, model, found)
    return model


def _check_loaded(name: str, model: PreTrainedModel, found: Mapping[str, Any]) -> None:
    left_over = [
        key
        for key in found["unexpected_keys"]
        if key.removeprefix(f"{model.base_model_prefix}.").startswith(_PARTS) and key.endswith((".weight", ".bias"))
    ]
    broken = [key for key, tensor in model.state_dict().items() if not torch.isfinite(tensor).all()]
    for keys, what in (
        (sorted(key for key in found["missing_keys"] if not _UNUSED.search(key)), "lacks weights"),
        (
            sorted(str(key[0]) for key in found["mismatched_keys"]),
            "has weights of other shapes than its config.json says",
        ),
        (sorted(left_over), "has weights that its config.json has no place for"),
        (broken, "has weights that are not finite"),
    ):
        if keys:
            more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
            raise RequestError(f"body {name!r} {what}, {', '.join(keys[:_SHOWN])}{more}: get it anew")


def _check_weights(folder: Path) -> None:
    if not (folder / WEIGHTS).is_file() and not (folder / _INDEX).is_file():
        others = sorted(path.name for path in folder.glob("*.bin"))
        held = f"holds {others[0]} only, a pickle" if others else "holds no weights"
        raise RequestError(f"body {str(folder)!r} {held}: give {WEIGHTS}, as save_pretrained writes it")
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            if file.read(len(_POINTER)) == _POINTER:
                raise RequestError(f"{path} is a pointer of git-lfs, not the weights: run `git lfs pull` in its folder")


@contextmanager
def _as_request_error(name: str) -> Iterator[None]:
    try:
        yield
    except RequestError:
        raise
    except Exception as error:  # damaged files raise whatever their first wrong byte happens to mean
        if isinstance(error, OSError) and not Path(name).is_dir():
            raise catalogue.unavailable(name) from error
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise RequestError(f"body {name!r} cannot be loaded ({reason}): get it anew") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' progress bar and its loading report; `read_model` checks the loading itself."""
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
