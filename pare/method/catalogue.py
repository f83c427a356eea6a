"""All methods and bodies by name. This module imports neither torch nor transformers, which take seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pare.config import MethodName, Selector
from pare.errors import RequestError
from pare.method import bodies

CONFIG, WEIGHTS = "config.json", "model.safetensors"
"""File names in a folder of Hugging Face's format."""

_TIMEOUT = 5.0
"""Seconds to wait for the Hugging Face hub."""


@dataclass(frozen=True)
class Method:
    """Settings of a method; by default everything trains from the pretrained weights."""

    title: str
    partner: Literal["source", "target"] | None = None
    """Side whose samples give patches to the mixed pass; None if there is no such pass."""
    select: Selector | None = None
    """Selector of patches that overrides `gate.select`; None if the run chooses."""
    pretrained: bool = True
    """Whether the body starts from pretrained weights."""
    takes_embedder: bool = True
    """Whether the target embedder starts from the body's own."""
    trains_body: bool = True
    """Whether the whole body trains; otherwise only its norms do."""
    stage: Literal["otdd", "mona"] | None = None
    """Stage before fine-tuning, in which only the target embedder learns."""

    @property
    def mixes(self) -> bool:
        """Whether it has a curriculum of replaced patches."""
        return self.partner is not None

    @property
    def borrows(self) -> bool:
        """Whether its mixed pass has patches of the source, and so a loss of the source's predictor."""
        return self.partner == "source"

    @property
    def gates(self) -> bool:
        """Whether it may learn a gate."""
        return self.borrows and self.select is None

    @property
    def aligns(self) -> bool:
        """Whether it has a stage before fine-tuning."""
        return self.stage is not None

    @property
    def reads_source(self) -> bool:
        """Whether it needs samples of the source."""
        return self.borrows or self.aligns

    @property
    def adapts(self) -> bool:
        """Whether it fine-tunes a pretrained body, so that it may train only parts of it."""
        return self.pretrained and self.trains_body


METHODS: Mapping[MethodName, Method] = {
    "pare": Method("gradual patch replacement (PaRe)", partner="source"),
    "nft": Method("naive fine-tuning of everything"),
    "fpt": Method("frozen body: embedder, norms and head train", trains_body=False),
    "orca": Method("features aligned to the source's, then naive fine-tuning (ORCA)", stage="otdd"),
    "scratch": Method("the same architecture from random weights", pretrained=False),
    "cutmix": Method("patches of another target sample, without a source (CutMix on tokens)", partner="target"),
    "pare-random": Method("PaRe with patches selected at random, without a gate", partner="source", select="random"),
    "mona": Method("an embedder under which fine-tuning keeps the source's knowledge, then naive (MoNA)", stage="mona"),
    "nft-random-embedder": Method("naive fine-tuning with a new target embedder", takes_embedder=False),
}

# Small bodies, for machines without a GPU or a download; `pare.pretraining` makes their weights.
SMALL: Mapping[str, Mapping[str, Any]] = {
    "swin-mini": {
        "model_type": "swin",
        "image_size": 64,
        "patch_size": 4,
        "embed_dim": 32,
        "depths": [2, 2, 2],
        "num_heads": [2, 4, 8],
        "window_size": 4,
    },
    "roberta-mini": {
        "model_type": "roberta",
        "vocab_size": 8,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "signal_patch": 20,
    },
    "roberta-mini-text": {
        "model_type": "roberta",
        "vocab_size": 2048,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
    },
}


def folder(name: str) -> Path:
    """Folder of this package that holds the body called `name`, if it is bundled."""
    return Path(__file__).parent / "weights" / name


def is_bundled(name: str) -> bool:
    """Whether the package has weights of the body called `name`."""
    return Path(name).name == name and (folder(name) / WEIGHTS).is_file()  # a plain name, not a path


def is_pretrained(name: str) -> bool:
    """Whether `pare.method.body.load(name)` gives pretrained weights; tables say `random` otherwise."""
    return name not in SMALL or is_bundled(name)


def require_body(name: str) -> None:
    """Check that there is a body called `name`: in this package, in a folder, in Hugging Face's cache, or on its hub.

    Raises:
        RequestError: there is none, or the hub cannot be reached; or its family has no adapter.
    """
    if name in SMALL:
        return
    if Path(name).is_dir():
        check_folder(Path(name))
    elif _cached(name) is None:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        try:
            get_hf_file_metadata(hf_hub_url(name, CONFIG), timeout=_TIMEOUT)
        except Exception as error:  # not only OSError: the hub's client passes on its HTTP library's errors
            raise unavailable(name) from error
    if (kind := model_type(name)) is not None:
        bodies.require_family(name, kind)


def model_type(name: str) -> str | None:
    """Return `model_type` of the body called `name`; None if its configuration is not here or cannot be read."""
    if name in SMALL:
        return str(SMALL[name]["model_type"])
    path = Path(name) / CONFIG if Path(name).is_dir() else _cached(name)
    try:
        return None if path is None else str(json.loads(path.read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, TypeError, KeyError):
        return None  # transformers says what is wrong with it


def check_folder(folder: Path) -> None:
    """Raise a RequestError unless a folder holds a configuration in Hugging Face's format."""
    if not (folder / CONFIG).is_file():
        held = "is empty" if not any(folder.iterdir()) else f"holds no {CONFIG}"
        raise RequestError(
            f"body {str(folder)!r} {held}: give a folder that save_pretrained wrote, with {CONFIG} and {WEIGHTS}"
        )


def _cached(name: str) -> Path | None:
    """Return the configuration of a model of the hub in Hugging Face's cache; None if it is not there."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(name, CONFIG)
    except HFValidationError:  # no name that the hub could have
        return None
    return Path(path) if isinstance(path, str) else None


def unavailable(name: str) -> RequestError:
    """Error message for a body that does not exist."""
    return RequestError(
        f"body {name!r} is neither a directory, nor in the Hugging Face cache, nor can the hub be reached: "
        f"download it once with `hf download {name}`, or use one of {', '.join(SMALL)}"
    )
