"""The tasks of a study and the settings of their runs: the package's small bodies, and real pretrained ones.

A task's name may end in a budget of labels: `crop@120` trains on 120 labelled samples. Runs with a budget have about
as many updates whatever it is, so that a small one is not merely trained for less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pare import tasks
from tests.bench.study.samples import Limit, as_prepared, labels_per_class, quarter_of_records

UPDATES = 240
"""Updates of a run with a budget of labels, as far as whole epochs allow."""

MOST_EPOCHS, LEAST_EPOCHS = 75, 5

MINILM, DINOV2 = "all-MiniLM-L6-v2", "dinov2-small"
"""Folders of the real bodies, below --bodies."""


@dataclass(frozen=True)
class Setting:
    """A task of the study. `limit` turns prepared data and a seed into what that seed trains, and is judged, on."""

    task: str
    source: str
    settings: Mapping[str, Any]
    limit: Limit = as_prepared
    provenance: str = "real"
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """What is generated, where the laptop's data is too little."""
    dense: bool = False
    own: bool = False
    """Whether its settings are the task's published ones, instead of those for data of the user's own."""

    @property
    def real_body(self) -> bool:
        return self.settings["body"] in (MINILM, DINOV2)


def rates(rate: float) -> dict[str, float]:
    return {f"optimizer.lr.{group}": rate for group in ("embedder", "body", "gate", "heads")}


def _series(name: str, patch: int) -> Setting:
    """A set of the UCR archive with a small body."""
    own = {"epochs": 20, "body": "roberta-mini", "optimizer.batch": 64, "patch": patch}
    return Setting(name, "signals", own, labels_per_class(30))


_REAL_BODY = {"optimizer.lr.body": 1e-4, "precision": "auto"}


def _text_body(title: str, batch: int = 32) -> Setting:
    """A set of the UCR archive, in its official splits, with MiniLM; patches are source samples of text."""
    name = f"ucr-{title.lower()}"
    own = {"epochs": 20, "body": MINILM, "optimizer.batch": batch, "patch": tasks.get(name).paper["patch"]}
    return Setting(name, "text", {**own, **_REAL_BODY})


def _image_body(name: str, source: str = "fractals", **more: Any) -> Setting:
    """Images with the first layers of DINOv2-S, at a size of 6 × 6 patches."""
    own = {"epochs": 20, "body": DINOV2, "num_hidden_layers": 5, "image_size": 84, "optimizer.batch": 32}
    return Setting(name, source, {**own, **_REAL_BODY}, **more)


_FIELDS = {"train": 400, "test": 200, "resolution": 169, "seed": 7}
_DARCY, _ECG = tasks.get("darcy"), tasks.get("ecg")

SETTINGS: Mapping[str, Setting] = {
    "ecg": Setting(
        "ecg",
        "signals",
        {**_ECG.paper, **_ECG.laptop, "epochs": 12},
        quarter_of_records,
        provenance="simulated",
        own=True,
    ),
    "digits": Setting(
        "digits", "fractals", {"epochs": 25, "body": "swin-mini", "optimizer.batch": 32}, labels_per_class(20)
    ),
    "crop": _series("crop", patch=1),
    "electricdevices": _series("electricdevices", patch=2),
    "fordb": _series("fordb", patch=10),
    "ecg5000": _series("ucr-ecg5000", patch=tasks.get("ucr-ecg5000").paper["patch"]),
    "cricketx": _series("ucr-cricketx", patch=tasks.get("ucr-cricketx").paper["patch"]),
    "eog": _series("ucr-eogverticalsignal", patch=tasks.get("ucr-eogverticalsignal").paper["patch"]),
    "darcy": Setting(
        "darcy",
        "fractal-masks",
        {**_DARCY.paper, **_DARCY.laptop},
        provenance="generated",
        recipe=_FIELDS,
        dense=True,
        own=True,
    ),
    "ecg5000-minilm": _text_body("ECG5000"),
    "cricketx-minilm": _text_body("CricketX"),
    "crop-minilm": _text_body("Crop", batch=128),
    "eog-minilm": _text_body("EOGVerticalSignal"),
    "elpv-dinov2": _image_body("elpv"),
    "eog-images-dinov2": _image_body("eog-images"),
    "digits-dinov2": _image_body("digits"),
    "darcy-dinov2": _image_body("darcy", "fractal-masks", provenance="generated", recipe=_FIELDS, dense=True),
}
_OWN = {
    "curriculum.start": 0.5,
    "curriculum.end": 0.0,
    "optimizer.weight_decay": 0.01,
    "optimizer.warmup": 0.1,
    **rates(1e-3),
}


def budget(name: str) -> tuple[str, int]:
    """A task's name without its budget of labels, and the budget; 0: none."""
    task, _, labels = name.partition("@")
    return task, int(labels or 0)


def setting(name: str) -> Setting:
    return SETTINGS[budget(name)[0]]


def provenance(name: str) -> str:
    """Whether a task's data is real, generated or simulated."""
    return setting(name).provenance


def settings(name: str) -> dict[str, Any]:
    """The run's settings of a task of the study, those of the laptop preset but for its epochs and labels."""
    _, labels = budget(name)
    own = dict(setting(name).settings)
    chosen = own if setting(name).own else {**_OWN, **own}
    if labels:
        batch = min(chosen["optimizer.batch"], max(8, 2 ** int(np.log2(labels / 6))))
        epochs = round(UPDATES / -(-labels // batch))
        chosen |= {"optimizer.batch": batch, "epochs": min(MOST_EPOCHS, max(LEAST_EPOCHS, epochs))}
    return chosen
