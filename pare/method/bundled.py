"""Read and write the package's own bodies in Hugging Face's format, so that anybody can load them.

`model.safetensors` holds the tensors under the names that `SwinModel` and `RobertaModel` use. The projection of a
signal, which a language model does not have, is in `embedder.safetensors` beside it. A text body comes with its
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
    """Write a body and the embedder that it was pretrained with to a folder, laid out as Hugging Face's base model."""
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
        # A signal has no words or token types, but Hugging Face's model has parameters for them.
        none = {_WORDS: torch.zeros(body.config.vocab_size, width), _TYPES: torch.zeros(1, width)}
        tensors |= {_POSITIONS: positions, **none}
        _save(own.projection.state_dict(), to / EMBEDDER)
    _save(tensors, to / WEIGHTS)


@torch.no_grad()
def read(body: Body, of: Path) -> None:
    """Load a folder that `write` made into a body of the same architecture, in place."""
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
    """Map Hugging Face's prefixes to the parts whose tensors have them."""
    if isinstance(own, TextEmbedder):
        return {"embeddings": own.embeddings, "encoder": body.encoder}
    if body.modality == "2d":
        embeddings = {"embeddings.patch_embeddings.projection": own.projection, "embeddings.norm": own.norm}
        return {**embeddings, "encoder": body.encoder, "layernorm": body.norm}
    return {"embeddings.LayerNorm": own.norm, "encoder": body.encoder}


def _positions(body: Body) -> Tensor:
    """Return the position embeddings (N, D) of a sequence body without those reserved for padding."""
    assert isinstance(body.positions, Tensor)  # noqa: S101 - for the type checker: images have none
    return body.positions


def _save(tensors: Mapping[str, Tensor], path: Path) -> None:
    # from_pretrained requires this entry.
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"})
