"""Load transformers from Hugging Face's hub or a folder in its format, and check that every weight was loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from pare.errors import RequestError
from pare.method import catalogue
from pare.method.catalogue import WEIGHTS

KINDS = ("swin", "roberta", "bert")
"""Values of `model_type` that a body may have."""

_INDEX = "model.safetensors.index.json"
_POINTER = b"version https://git-lfs"
_SHOWN = 5


def read_config(name: str) -> PreTrainedConfig:
    """Read the configuration of the model called `name`: a folder, or a model of the hub.

    Raises:
        RequestError: there is none, it cannot be read, or its type is not supported.
    """
    if Path(name).is_dir():
        catalogue.check_folder(Path(name))
    with _as_request_error(name), _quiet():
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    check_kind(name, str(config.model_type))
    return config


def check_kind(name: str, kind: str) -> None:
    """Raise a RequestError unless a body may have this `model_type`."""
    if kind not in KINDS:
        raise RequestError(f"body {name!r} is of type {kind!r}: choose a Swin (2D) or a RoBERTa or BERT (1D)")


def read_model(name: str, config: PreTrainedConfig) -> PreTrainedModel:
    """Load the model with its weights, float32, from safetensors only.

    Raises:
        RequestError: a file is damaged, or a weight is missing, of another shape, not finite or left over; names them.
    """
    if Path(name).is_dir():
        _check_weights(Path(name))
    with _as_request_error(name), _quiet():
        model, found = AutoModel.from_pretrained(
            name,
            config=config,
            add_pooling_layer=False,
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
        if key.removeprefix(f"{model.base_model_prefix}.").startswith(("encoder.", "embeddings."))
        and key.endswith((".weight", ".bias"))
    ]
    broken = [key for key, tensor in model.state_dict().items() if not torch.isfinite(tensor).all()]
    for keys, what in (
        (sorted(found["missing_keys"]), "lacks weights"),
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
