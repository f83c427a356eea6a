"""The pretraining of a body: recipe, update, and interruption."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cyclopts import Parameter
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn.utils import clip_grad_norm_

from pare import files
from pare.errors import RequestError, TrainingError
from pare.losses import cross_entropy
from pare.method import body as bodies
from pare.pretraining.objectives import BodyName, Draw, lesson

BETAS, WEIGHT_DECAY, WARMUP, CLIP = (0.9, 0.98), 0.05, 0.03, 1.0
EASY, HARDER, MASTERED = 0.1, 0.004, 0.4
"""Hardness at the start, how much a step adds to it, and the running accuracy above which it does."""
FIRST, EVERY = 20, 100
"""Steps whose losses are all recorded, and the length of the stretches recorded after as means."""

_INSTANCES = 10**6  # the source proxies' own samples come before: these are not seen again as source patches
_MEMORY = 0.95  # of the running accuracy, per step
_HELD_OUT = 4096  # samples that a body of text is examined on


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PretrainingRecipe:
    """Settings that determine the weights, besides the body."""

    steps: int = 1600
    """Updates in all; the learning rate rises over the first 3 % and falls with the cosine to 0."""
    classes: int = 64
    """Fractals to tell apart; signals are always 64, kinds of text 8."""
    batch: int = 64
    """Samples per update."""
    lr: float = 1e-3
    """Peak learning rate of AdamW."""
    seed: int = 0
    """The seed of weights and data."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("classes", 2), ("batch", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise RequestError(f"--{name} is {getattr(self, name)}: give {least} or more")
        if self.lr <= 0:
            raise RequestError(f"--lr is {self.lr}: give a positive learning rate")


@dataclass
class PretrainingState:
    """The progress of a pretraining, besides its weights; plain numbers only."""

    step: int = 0
    hardness: float = EASY
    running: float = 0.0
    """Accuracy, smoothed over about 20 steps."""
    seconds: float = 0.0
    first: list[float] = field(default_factory=list)
    """Loss of each of the first steps."""
    recent: list[tuple[float, float]] = field(default_factory=list)
    """Loss and accuracy of the steps since the last record."""
    curve: list[dict[str, float]] = field(default_factory=list)


class Pretraining:
    """A body that learns by the recipe, one `step` at a time.

    Samples by formula are new at every step, so the accuracy is honest. Text is not: the last record tells what the
    body knows of modules held out.

    Raises:
        RequestError: the recipe does not fit the body.
    """

    def __init__(self, body: BodyName, recipe: PretrainingRecipe) -> None:
        self.name, self.recipe, self.state = body, recipe, PretrainingState()
        self.lesson = lesson(body, recipe.classes, recipe.seed)
        torch.manual_seed(recipe.seed)
        self.body = bodies.load(body, pretrained=False)
        # The embedder of the target is here the body's own: it is written as such.
        self.model = self.lesson.model(self.body)
        members = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        # Positions do not decay: those beyond the samples' length are to stay as they were initialised.
        decays = [p for name, p in members if p.ndim > 1 and "position" not in name]
        still = [p for name, p in members if p.ndim == 1 or "position" in name]
        groups = [{"params": decays, "weight_decay": WEIGHT_DECAY}, {"params": still, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=BETAS, fused=True)

    def step(self) -> float:
        """One update; returns its loss.

        Raises:
            TrainingError: the loss is no longer a finite number.
        """
        state, recipe = self.state, self.recipe
        began = time.perf_counter()
        instances = _INSTANCES + state.step * recipe.batch + np.arange(recipe.batch)
        x, y = map(torch.from_numpy, self.lesson.draw(instances, state.hardness))
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.lr * multiplier((state.step + 1) / (recipe.steps + 1))
        logits = self.model(x)
        mean = cross_entropy(logits, y).mean()
        self.optimizer.zero_grad()
        mean.backward()
        clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()

        loss, accuracy = mean.item(), (logits.argmax(1) == y).float().mean().item()
        if not math.isfinite(loss):
            raise TrainingError(f"the loss became {loss} in step {state.step + 1}")
        state.step += 1
        state.running += (1 - _MEMORY) * (accuracy - state.running)
        if state.running > MASTERED:
            # In step with learning: from the start, or by time alone, a small body stays at chance.
            state.hardness = min(state.hardness + HARDER, 1.0)
        state.seconds += time.perf_counter() - began
        self._record(loss, accuracy)
        return loss

    def _record(self, loss: float, accuracy: float) -> None:
        state = self.state
        if state.step <= FIRST:
            state.first.append(loss)
        state.recent.append((loss, accuracy))
        if state.step % EVERY == 0 or state.step == self.recipe.steps:
            losses, accuracies = np.mean(state.recent, axis=0).tolist()
            figures = {"step": state.step, "loss": losses, "accuracy": accuracies}
            figures |= {"hardness": state.hardness, "seconds": round(state.seconds, 1)}
            if self.lesson.held_out is not None and state.step == self.recipe.steps:
                figures["held_out"] = self._accuracy(self.lesson.held_out)
            state.curve.append(figures)
            state.recent = []

    @torch.no_grad()
    def _accuracy(self, draw: Draw) -> float:
        right: list[np.ndarray] = []
        for first in range(0, _HELD_OUT, self.recipe.batch):
            x, y = draw(np.arange(first, first + self.recipe.batch), 1.0)
            right.append(self.model(torch.from_numpy(x)).argmax(1).numpy() == y)
        return float(np.concatenate(right).mean())

    def save(self, path: Path) -> None:
        """Keep everything that the next step depends on in one file, whole or not at all."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
        facts = {"recipe": json.dumps(asdict(self.recipe)), "state": json.dumps(asdict(self.state))}
        with files.atomic(path) as temporary:
            save_file(tensors, temporary, facts)

    def restore(self, path: Path) -> None:
        """Go on from a saved file as if there had been no interruption.

        Raises:
            RequestError: it was made by another recipe.
        """
        with safe_open(path, framework="pt") as file:
            metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if json.loads(metadata["recipe"]) != asdict(self.recipe):
            raise RequestError(f"{path} is of the recipe {metadata['recipe']}: give the same, or another --out")
        moments: dict[int, dict[str, Any]] = {}
        weights = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "model":
                weights[rest] = tensor
            else:
                index, _, part = rest.partition(".")
                moments.setdefault(int(index), {})[part] = tensor
        self.model.load_state_dict(weights)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self.state = PretrainingState(**json.loads(metadata["state"]))


def multiplier(progress: float) -> float:
    """Return the factor of the peak rate at a progress in (0, 1): a linear rise, then half a cosine down to 0."""
    if progress < WARMUP:
        return progress / WARMUP
    return (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP))) / 2
