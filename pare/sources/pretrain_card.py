"""What a pretraining leaves: the weights, `pretraining.json` with recipe and curve, and the card that tells of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from pare.method import shipped
from pare.method.body import Body
from pare.method.embedder import PatchEmbedder

CARD, CURVE = "README.md", "pretraining.json"

_DATA = {
    "2d": "fractals, iterated function systems sampled by their singular values (`pare/sources/ifs.py`), as pictures",
    "1d": "signals, sixteen families of waveforms by four parameters (`pare/sources/waves.py`), 1000 samples each",
}
_POSITIONS = (
    "Signals of 1000 samples make 50 tokens: positions beyond the first 50 are as initialised. Words and types, which "
    "a signal does not have, are zero. The projection of a signal to its tokens is in `embedder.safetensors`."
)


def leave(body: Body, own: PatchEmbedder, out: Path, recipe: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write a pretrained body, its curve and its card to the folder `out`."""
    shipped.write(body, own, out)
    files = [out / name for name in (shipped.WEIGHTS, shipped.EMBEDDER)]
    checksums = {path.name: sha256(path) for path in files if path.is_file()}
    facts = {"recipe": dict(recipe), "seconds": round(state["seconds"]), "sha256": checksums}
    record = facts | {"first_losses": state["first"], "curve": state["curve"]}
    (out / CURVE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    _card(out.name, body, facts, state["curve"][-1]).save(out / CARD)


def finished(out: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether `leave` has been here with this recipe."""
    return (out / CARD).is_file() and json.loads((out / CURVE).read_text(encoding="utf-8"))["recipe"] == recipe


def sha256(path: Path) -> str:
    """The checksum of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _card(name: str, body: Body, facts: Mapping[str, Any], end: Mapping[str, float]) -> ModelCard:
    recipe = facts["recipe"]
    data = ModelCardData(
        library_name="transformers", license="apache-2.0", tags=["pare", "formula-driven", "synthetic-data"]
    )
    parameters = sum(p.numel() for p in body.parameters())
    lines = [
        f"# {name}, pretrained by formula",
        "",
        f"A body of {parameters:,} parameters that has seen no natural data: no photograph, no recording, no text.",
        "",
        f"- Data: {_DATA[body.modality]}; {recipe['classes']} classes to tell apart, "
        f"{recipe['steps'] * recipe['batch']:,} samples, none twice. Disturbances grow in step with the accuracy.",
        f"- Recipe: {recipe['steps']:,} steps of {recipe['batch']}, AdamW at {recipe['lr']:g} (betas .9 and .98, "
        f"weight decay .05), 3 % warm-up, cosine to 0, gradients clipped at 1, seed {recipe['seed']}.",
        f"- Result: accuracy {end['accuracy']:.3f} on the last samples, each new to the body, at hardness "
        f"{end['hardness']:.2f} of 1; chance is {1 / recipe['classes']:.3f}. The curve is in `{CURVE}`.",
        f"- Machine: CPU, one thread, fp32, {facts['seconds']:,} seconds elapsed.",
        "- Licence: Apache-2.0.",
        *([f"- {_POSITIONS}"] if body.modality == "1d" else []),
        "",
        "## Use",
        "",
        "```python",
        "from pare.method import body",
        "",
        f'body.load("{name}")',
        "```",
        "",
        f"The folder is also one that Hugging Face's `{_model(body)}.from_pretrained` reads.",
        "",
        "## Again",
        "",
        "```sh",
        f"python -m pare.sources.pretrain {name} " + " ".join(f"--{key} {value}" for key, value in recipe.items()),
        "```",
        "",
        "| file | sha256 |",
        "| :-- | :-- |",
        *(f"| `{file}` | `{digest}` |" for file, digest in facts["sha256"].items()),
    ]
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n".join(lines) + "\n")


def _model(body: Body) -> str:
    return {"2d": "SwinModel", "1d": "RobertaModel"}[body.modality]
