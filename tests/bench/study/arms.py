"""The arms of a study: what each changes of a task's run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pare.config import MethodName
from pare.method.catalogue import METHODS


@dataclass(frozen=True)
class Arm:
    """A method with settings of its own, by dotted name."""

    method: MethodName
    settings: Mapping[str, Any] = field(default_factory=dict)
    equal_time: bool = False
    """Whether it trains as long as the reference arm takes, in more epochs, instead of as many epochs."""
    shuffled_source: bool = False
    """Whether the source's labels are dealt out anew, so that they teach nothing."""
    baseline: str = ""
    """The task's baseline of this name, fitted on the same samples, instead of a run."""

    @property
    def mixes(self) -> bool:
        """Whether its steps have a mixed pass, which takes about as long as the target's own."""
        return METHODS[self.method].mixes and not self.baseline


_HALF = {"curriculum.family": "constant", "curriculum.start": 0.5, "curriculum.end": 0.5, "mix_weight": 1.0}
"""The audit's schedule: half of the patches to the end, and a mixed term as heavy as the target's."""

_RELEASED = {"gate.noise": 1.0}
_NOISY_ZERO = {"init.gate": 0.0, "gate.noise": 1.0}

REFERENCE = "half-random"
"""The arm under test, whose seconds `nft` gets too."""

EQUAL_TIME = "nft-equal-time"

ARMS: Mapping[str, Arm] = {
    "nft": Arm("nft"),
    "half-random": Arm("pare-random", _HALF),
    "pare": Arm("pare"),
    "cutmix": Arm("cutmix"),
    "half-cutmix": Arm("cutmix", _HALF),
    "pare-random": Arm("pare-random"),
    EQUAL_TIME: Arm("nft", equal_time=True),
    "half-gate": Arm("pare", _HALF),
    "half-saliency": Arm("pare", {**_HALF, "gate.select": "saliency"}),
    "half-random-shuffled": Arm("pare-random", _HALF, shuffled_source=True),
    "half-random-share": Arm("pare-random", {**_HALF, "mix_share": 0.5}),
    "half-gate2": Arm("pare", {**_HALF, "gate.hidden": 32, "init.gate": 0.0, "gate.noise": 1.0}),
    "nft+heads": Arm("nft", {"init.heads": 0.0}),
    "pare+heads": Arm("pare", {"init.heads": 0.0}),
    "nft+stem": Arm("nft", {"init.stem": "sum"}),
    "pare+stem": Arm("pare", {"init.stem": "sum"}),
    "nft+positions": Arm("nft", {"init.positions": "after_norm"}),
    "pare+positions": Arm("pare", {"init.positions": "after_norm"}),
    "nft+decay": Arm("nft", {"optimizer.decay_positions": False}),
    "pare+decay": Arm("pare", {"optimizer.decay_positions": False}),
    "pare+noise": Arm("pare", _RELEASED),
    "pare+gate": Arm("pare", _NOISY_ZERO),
    "half-random+heads": Arm("pare-random", {**_HALF, "init.heads": 0.0}),
    "half-random+source-head": Arm("pare-random", {**_HALF, "source_head.steps": 200}),
    "scratch": Arm("scratch"),
    "fpt": Arm("fpt"),
    "orca": Arm("orca"),
    "1-nn": Arm("nft", baseline="1-NN"),
    "minirocket": Arm("nft", baseline="MiniRocket + ridge"),
    "logistic": Arm("nft", baseline="logistic regression"),
}

BASELINE: Mapping[str, str] = {
    **{name: name.partition("+")[0] for name in ARMS if "+" in name},
    "half-gate": "half-random",
    "half-gate2": "half-random",
    "half-saliency": "half-random",
    "half-random-shuffled": "half-random",
    "half-random-share": "half-random",
}
"""What an arm is compared with beside `nft`."""

ONE_DIMENSION_ONLY = ("+positions", "+decay")
TWO_DIMENSIONS_ONLY = ("+stem",)


def applies(arm: str, modality: str) -> bool:
    """Whether an arm changes anything for a task of sequences (`1d`) or images (`2d`)."""
    return not arm.endswith(TWO_DIMENSIONS_ONLY if modality == "1d" else ONE_DIMENSION_ONLY)
