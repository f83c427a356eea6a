"""Labelled samples without end, made by formula as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pare.errors import RequestError
from pare.sources import pictures, waves
from pare.sources.ifs import point_sets

BodyName = Literal["swin-mini", "roberta-mini"]


@dataclass(frozen=True)
class Source:
    """What a body is pretrained on; `draw(classes (n,), instances (n,), hardness)` makes samples (n, *shape)."""

    shape: tuple[int, ...]
    outputs: tuple[int, ...]
    draw: Callable[[np.ndarray, np.ndarray, float], np.ndarray]
    statistics: Mapping[str, np.ndarray] = field(default_factory=dict)
    kind: str = "classification"


def source(body: BodyName, classes: int, seed: int) -> Source:
    """What a body is pretrained on: fractals for images, signals for sequences.

    Raises:
        RequestError: signals of another number of classes than there are.
    """
    if body == "swin-mini":
        sets = point_sets(classes, seed=seed)
        # Mean and deviation of the pixels at medium hardness, over classes and colours.
        statistics = {"input_mean": np.array(0.334), "input_std": np.array(0.346)}

        def picture(labels: np.ndarray, instances: np.ndarray, hardness: float) -> np.ndarray:
            return pictures.render(sets, labels, instances, seed=seed, hardness=hardness)[0]

        return Source((3, 64, 64), (classes,), picture, statistics)
    kinds = len(waves.class_names())
    if classes != kinds:
        raise RequestError(f"--classes is {classes}: signals come in {kinds} kinds")

    def signal(labels: np.ndarray, instances: np.ndarray, hardness: float) -> np.ndarray:
        return waves.render(labels, instances, seed=seed, hardness=hardness)[:, None]

    return Source((1, 1000), (kinds,), signal)
