"""The model card: describes an exported model, its scores and data, and its use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from pare.config import Run
from pare.data.labels import parse
from pare.data.task import Task
from pare.method.catalogue import METHODS, is_pretrained
from pare.reporting.records import PROVENANCE, describe


def card(task: Task, run: Run, facts: Mapping[str, Any]) -> ModelCard:
    """Return the card of a model of a task trained by `run`; for `facts` see `pare.reporting.export.save`."""
    weights = "pretrained" if METHODS[run.method].pretrained and is_pretrained(run.body) else "random"
    data = ModelCardData(
        library_name="pare",
        tags=["pare", "cross-modal-fine-tuning", run.task, f"data-{facts['provenance']}", f"body-{weights}"],
        # The hub's pages can link only to a name on the hub.
        base_model=run.body if weights == "pretrained" and "/" in run.body else None,
    )
    body = {"pretrained": "pretrained weights", "random": "random weights: not a pretrained body"}[weights]
    _, budget = parse(run.data)
    lines = [
        f"# {task.title} ({task.name}), {run.method}",
        "",
        f"- Data: **{facts['provenance']}**, {PROVENANCE[facts['provenance']]}.",
        *([f"- Training labels: {budget.labels:,}, the rest unused."] if budget else []),
        f"- Body: `{run.body}`, starting from {body}.",
        f"- Metric: {describe(task.metric)}.",
        *(f"- {title}: {text}." for title, text in _results(facts)),
        f"- Input: {task.shape} after the task's own encoding, done by the model; output: {task.output_shape}.",
        *([f"- Classes: {', '.join(task.labels)}."] if task.labels else []),
        "",
        "## Use",
        "",
        "```python",
        "from pare import load",
        "",
        'model = load("path/to/this/folder")',
        "model.predict(x)  # x: raw samples, as the task distributes them",
        "```",
        "",
        "## Configuration",
        "",
        "| setting | value |",
        "| :-- | :-- |",
        *(f"| {name} | {value} |" for name, value in run.flat().items()),
    ]
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n".join(lines) + "\n")


def _results(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    titles = {
        "validation": "Validation metric",
        "test": "Test metric",
        "spread": "Standard deviation of the test metric over seeds",
        "seeds": "Seeds of the confirmation",
        "gpu_hours": "GPU-hours of the search and the confirmation",
    }
    return [(title, _text(facts[name])) for name, title in titles.items() if facts.get(name) is not None]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(_text, value)) if isinstance(value, list | tuple) else str(value)
