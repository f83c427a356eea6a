"""The files that a pretraining leaves: weights, `pretraining.json` with recipe and curve, and the model card."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from pare.method import bundled, catalogue
from pare.method.body import Body
from pare.method.embedder import PatchEmbedder, TextEmbedder
from pare.pretraining import masked_text
from pare.sources.text import tokenizer

CARD, CURVE = "README.md", "pretraining.json"

_DATA = {
    "fractals": "iterated function systems sampled by their singular values (`pare/data/synthetic/ifs.py`), drawn",
    "signals": "sixteen families of waveforms by four parameters (`pare/data/synthetic/waveforms.py`), of 1000 samples",
    "text": "the sources of Python's standard library (`pare/sources/text/corpus.py`), three modules in four",
}
_NOTES = {
    "fractals": [],
    "signals": [
        "- Signals of 1000 samples make 50 tokens: positions beyond the first 50 are as initialised. Words and types, "
        f"which a signal does not have, are zero. The projection of a signal to its tokens is in `{bundled.EMBEDDER}`."
    ],
    "text": [
        f"- Positions beyond the first {masked_text.LENGTH} are as initialised. `{tokenizer.FILE}` is of the same text."
    ],
}


def leave(
    body: Body,
    own: PatchEmbedder | TextEmbedder,
    words: str | None,
    out: Path,
    recipe: Mapping[str, Any],
    state: Mapping[str, Any],
) -> None:
    """Write a pretrained body, its tokenizer (text only), its curve and its card to the folder `out`."""
    bundled.write(body, own, out)
    if words is not None:
        (out / tokenizer.FILE).write_text(words, encoding="utf-8")
    files = [out / name for name in (catalogue.WEIGHTS, bundled.EMBEDDER, tokenizer.FILE)]
    checksums = {path.name: sha256(path) for path in files if path.is_file()}
    python = {} if words is None else {"python": platform.python_version()}
    facts = {"recipe": dict(recipe), **python, "seconds": round(state["seconds"]), "sha256": checksums}
    record = facts | {"first_losses": state["first"], "curve": state["curve"]}
    (out / CURVE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    _card(out.name, body, facts, state["curve"][-1]).save(out / CARD)


def finished(out: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether `leave` has already written this recipe."""
    return (out / CARD).is_file() and json.loads((out / CURVE).read_text(encoding="utf-8"))["recipe"] == recipe


def sha256(path: Path) -> str:
    """The checksum of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _card(name: str, body: Body, facts: Mapping[str, Any], end: Mapping[str, float]) -> ModelCard:
    recipe, kind = facts["recipe"], _kind(body)
    tags = ["python"] if kind == "text" else ["formula-driven", "synthetic-data"]
    data = ModelCardData(library_name="transformers", license="apache-2.0", tags=["pare", *tags])
    parameters = sum(p.numel() for p in body.parameters())
    lines = [
        f"# {name}, pretrained on {kind}",
        "",
        _seen(kind, parameters, facts),
        "",
        f"- Data: {kind}, {_DATA[kind]}; {_lesson(kind, recipe)}",
        f"- Recipe: {recipe['steps']:,} steps of {recipe['batch']}, AdamW at {recipe['lr']:g} (betas .9 and .98, "
        f"weight decay .05), 3 % warm-up, cosine to 0, gradients clipped at 1, seed {recipe['seed']}.",
        f"- Result: {_result(kind, recipe, end)}. The curve is in `{CURVE}`.",
        f"- Machine: CPU, one thread, fp32, {facts['seconds']:,} seconds elapsed.",
        "- Licence: Apache-2.0.",
        *_NOTES[kind],
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
        f"python -m pare.pretraining {name} " + " ".join(f"--{key} {value}" for key, value in recipe.items()),
        "```",
        "",
        "| file | sha256 |",
        "| :-- | :-- |",
        *(f"| `{file}` | `{digest}` |" for file, digest in facts["sha256"].items()),
    ]
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n".join(lines) + "\n")


def _kind(body: Body) -> str:
    if body.modality == "2d":
        return "fractals"
    return "text" if isinstance(body.source_embedder, TextEmbedder) else "signals"


def _seen(kind: str, parameters: int, facts: Mapping[str, Any]) -> str:
    body = f"A body of {parameters:,} parameters that has"
    if kind == "text":
        return f"{body} read the standard library of Python {facts['python']}, and nothing else."
    return f"{body} seen no natural data: no photograph, no recording, no text."


def _lesson(kind: str, recipe: Mapping[str, Any]) -> str:
    samples = f"{recipe['classes']} classes to tell apart, {recipe['steps'] * recipe['batch']:,} samples"
    if kind == "text":
        return f"{samples} of {masked_text.LENGTH} tokens. Up to half of them are masked, in step with the accuracy."
    return f"{samples}, none twice. Disturbances grow in step with the accuracy."


def _result(kind: str, recipe: Mapping[str, Any], end: Mapping[str, float]) -> str:
    new = f"{end['held_out']:.3f} on modules held out" if kind == "text" else "each new to the body"
    end_of_it = f"accuracy {end['accuracy']:.3f} on the last samples, {new}, at hardness {end['hardness']:.2f} of 1"
    return f"{end_of_it}; chance is {1 / recipe['classes']:.3f}"


def _model(body: Body) -> str:
    return {"2d": "SwinModel", "1d": "RobertaModel"}[body.modality]
