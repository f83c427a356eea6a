"""Bodies that lie in the package: written and read in Hugging Face's format, so that anybody can load them.

`model.safetensors` holds the tensors under the names that `SwinModel` and `RobertaModel` use. What a language model has
no place for, the projection of a signal, is beside it in `embedder.safetensors`. Beside a body of text is its
`tokenizer.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pare.method.catalogue import CONFIG, WEIGHTS
from pare.method.embedder import PatchEmbedder, TextEmbedder

if TYPE_CHECKING:
    from pare.method.body import Body

EMBEDDER = "embedder.safetensors"
_POSITIONS, _TYPES = "embeddings.position_embeddings.weight", "embeddings.token_type_embeddings.weight"
_WORDS = "embeddings.word_embeddings.weight"


def write(body: Body, own: PatchEmbedder | TextEmbedder, to: Path) -> None:
    """Write a body and the embedder that it was pretrained with to a folder, as Hugging Face's base model has them."""
    architecture = {"swin": "SwinModel", "roberta": "RobertaModel"}[body.config.model_type]
    config = json.loads(body.config.to_json_string(use_diff=False)) | {"architectures": [architecture]}
    (to / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    tensors = {
        f"{prefix}.{name}": tensor
        for prefix, part in _parts(body, own).items()
        for name, tensor in part.state_dict().items()
    }
    if isinstance(own, PatchEmbedder) and own.positions is not None:
        width = body.config.hidden_size
        positions = torch.zeros(body.config.max_position_embeddings, width)
        usable = _positions(body)
        reserved = len(positions) - len(usable)
        positions[reserved:] = usable
        positions[reserved : reserved + len(own.positions)] = own.positions.detach()
        # A signal has neither words nor types; the model that Hugging Face builds does.
        none = {_WORDS: torch.zeros(body.config.vocab_size, width), _TYPES: torch.zeros(1, width)}
        tensors |= {_POSITIONS: positions, **none}
        _save(own.projection.state_dict(), to / EMBEDDER)
    _save(tensors, to / WEIGHTS)


@torch.no_grad()
def read(body: Body, of: Path) -> None:
    """Load what `write` left in a folder into a body of the same architecture, in place."""
    own = body.source_embedder
    tensors = load_file(of / WEIGHTS)
    for prefix, part in _parts(body, own).items():
        prefix += "."
        part.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    if body.modality == "1d":
        usable = _positions(body)
        usable.copy_(tensors[_POSITIONS][-len(usable) :] + tensors[_TYPES][0])
    if isinstance(own, PatchEmbedder) and own.positions is not None:
        own.positions.copy_(usable)
        own.projection.load_state_dict(load_file(of / EMBEDDER))


def _parts(body: Body, own: PatchEmbedder | TextEmbedder) -> dict[str, nn.Module]:
    """Hugging Face's prefix → the part whose tensors stand under it."""
    if isinstance(own, TextEmbedder):
        return {"embeddings": own.embeddings, "encoder": body.encoder}
    if body.modality == "2d":
        embeddings = {"embeddings.patch_embeddings.projection": own.projection, "embeddings.norm": own.norm}
        return {**embeddings, "encoder": body.encoder, "layernorm": body.norm}
    return {"embeddings.LayerNorm": own.norm, "encoder": body.encoder}


def _positions(body: Body) -> Tensor:
    """The positions (N, D) that a sequence body can give a token, those reserved for padding left out."""
    assert isinstance(body.positions, Tensor)  # noqa: S101 - for the type checker: images have none
    return body.positions


def _save(tensors: Mapping[str, Tensor], path: Path) -> None:
    # The note on the format is what from_pretrained asks for.
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"})
