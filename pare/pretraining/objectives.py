"""The pretraining tasks of the small bodies: endless streams of samples, made on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal

import numpy as np

from pare.data.synthetic import render, waveforms
from pare.data.synthetic.ifs import point_sets
from pare.errors import RequestError
from pare.method.body import Body
from pare.method.model import CrossModalModel
from pare.pretraining import masked_text
from pare.sources.text import corpus

BodyName = Literal["swin-mini", "roberta-mini", "roberta-mini-text"]

Draw = Callable[[np.ndarray, float], tuple[np.ndarray, np.ndarray]]
"""(instances (n,), hardness) → samples (n, …) and the classes (m,) that a model is to tell of them."""


@dataclass(frozen=True)
class PretrainingTask:
    """A pretraining task: samples, the model around the body that predicts logits (m, classes), and extras."""

    draw: Draw
    model: Callable[[Body], CrossModalModel | masked_text.Reader]
    held_out: Draw | None = None
    """Samples of what is never learned from, where `draw` repeats itself."""
    tokenizer: str | None = None
    """The content of the tokenizer's file, for text."""


def lesson(body: BodyName, classes: int, seed: int) -> PretrainingTask:
    """Fractals for images, signals for sequences, the standard library's kinds of text for a body of text.

    Raises:
        RequestError: another number of classes than signals or text have, or a Python without sources.
    """
    if body == "roberta-mini-text":
        return _text(classes, seed)
    return _fractals(classes, seed) if body == "swin-mini" else _signals(classes, seed)


def _fractals(classes: int, seed: int) -> PretrainingTask:
    sets = point_sets(classes, seed=seed)
    # Mean and deviation of the pixels at medium hardness, over classes and colours.
    statistics = {"input_mean": np.array(0.334), "input_std": np.array(0.346)}

    def draw(instances: np.ndarray, hardness: float) -> tuple[np.ndarray, np.ndarray]:
        labels = instances % classes
        return render.render(sets, labels, instances, seed=seed, hardness=hardness)[0], labels

    interface = SimpleNamespace(kind="classification", shape=(3, 64, 64), output_shape=(classes,))
    return PretrainingTask(draw, lambda body: CrossModalModel(interface, body, 1, statistics))


def _signals(classes: int, seed: int) -> PretrainingTask:
    kinds = len(waveforms.class_names())
    if classes != kinds:
        raise RequestError(f"--classes is {classes}: signals come in {kinds} kinds")

    def draw(instances: np.ndarray, hardness: float) -> tuple[np.ndarray, np.ndarray]:
        labels = instances % kinds
        return waveforms.render(labels, instances, seed=seed, hardness=hardness)[:, None], labels

    interface = SimpleNamespace(kind="classification", shape=(1, 1000), output_shape=(kinds,))
    return PretrainingTask(draw, lambda body: CrossModalModel(interface, body, body.config.signal_patch))


def _text(classes: int, seed: int) -> PretrainingTask:
    kinds = len(corpus.KINDS)
    if classes != kinds:
        raise RequestError(f"--classes is {classes}: text comes in {kinds} kinds")
    words = masked_text.words()
    train, held_out = (masked_text.Windows(words, split, seed) for split in ("train", "val"))
    return PretrainingTask(train.draw, masked_text.Reader, held_out.draw, words.to_str(pretty=True) + "\n")
