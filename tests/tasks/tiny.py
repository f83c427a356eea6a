"""Small cases for the contract's tests: a recipe of a few samples for each task, and what to expect of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pare import tasks
from pare.data.task import Recipe
from tests.tasks.ucr import layout


def _as_given(y: np.ndarray) -> np.ndarray:
    return y


def _one_hot(y: np.ndarray) -> np.ndarray:
    return np.eye(y.max() + 1, dtype=np.float32)[y]


@dataclass(frozen=True)
class Tiny:
    """`counts` of train, val and test, if the recipe alone gives them; the shape of a `raw` sample, if not the input's;
    `perfect`, what makes the best predictions out of targets; how many methods have published `figures`, at least; what
    writes its files, if the task itself does not: nothing stands in for it.
    """

    recipe: Recipe
    counts: tuple[int, int, int] | None = None
    raw: tuple[int, ...] | None = None
    perfect: Callable[[np.ndarray], np.ndarray] = _as_given
    figures: int = 6
    write: Callable[[Path, Recipe], None] | None = None


_TINY = {
    "cifar100": Tiny({"train": 250, "test": 100, "seed": 0}, (200, 50, 100), (32, 32, 3), lambda y: np.eye(100)[y]),
    "cosmic": Tiny({"train": 20, "test": 5, "seed": 0}, None, None, lambda y: 2 * y[:, 0] - 1),
    "darcy": Tiny({"train": 20, "test": 6, "resolution": 85, "seed": 0}, (18, 2, 6), (85, 85)),
    "deepsea": Tiny({"train": 40, "val": 30, "test": 50, "seed": 0}, (40, 30, 50), (1000, 4)),
    "ecg": Tiny({"records": 60, "seconds": 12.0, "seed": 18}, None, None, lambda y: np.eye(4)[y]),
    "fsd50k": Tiny({"train": 30, "val": 10, "test": 12, "sounds": 8, "seed": 0}, None, (22050,)),
    "ninapro": Tiny({"train": 54, "val": 36, "test": 36, "seed": 0}, (54, 36, 36), (52, 16), lambda y: np.eye(18)[y]),
    "pde-advection": Tiny({"samples": 6, "seed": 0}, (4, 1, 1), (1024,)),
    "pde-advection-rollout": Tiny({"samples": 6, "seed": 0}, (4, 1, 1)),
    "pde-burgers": Tiny({"samples": 12, "seed": 0}, (10, 1, 1), figures=4),
    "pde-darcy": Tiny({"samples": 8, "side": 64, "seed": 0}, (6, 1, 1), (64, 64), figures=4),
    "pde-diffusion-reaction": Tiny({"samples": 12, "seed": 0}, (10, 1, 1)),
    "pde-diffusion-reaction-2d": Tiny({"samples": 6, "seed": 0}, (4, 1, 1), (128, 128), figures=5),
    "pde-diffusion-reaction-2d-full": Tiny({"samples": 6, "seed": 0}, (4, 1, 1), figures=0),
    "pde-diffusion-reaction-2d-rollout": Tiny({"samples": 6, "seed": 0}, (4, 1, 1), figures=5),
    "pde-diffusion-sorption": Tiny({"samples": 6, "seed": 0}, (4, 1, 1)),
    "pde-navier-stokes": Tiny({"samples": 8, "cells": 32, "seed": 0}, (6, 1, 1), figures=3),
    "pde-shallow-water": Tiny({"samples": 6, "seed": 0}, (4, 1, 1), (128, 128), figures=5),
    "psicov": Tiny({"deepcov": 6, "psicov": 2, "shortest": 60, "longest": 90, "seed": 0}, None, (57, 40, 40)),
    "satellite": Tiny({"train": 90, "test": 40, "seed": 0}, (80, 10, 40), (46,), lambda y: np.eye(24)[y]),
    "spherical": Tiny({"train": 250, "test": 100, "seed": 0}, (200, 50, 100), None, lambda y: np.eye(100)[y]),
    "ucr-ecg200": Tiny(
        {"seed": 0},
        (80, 20, 100),
        (96,),
        lambda y: np.eye(2)[y],
        figures=1,
        write=lambda folder, recipe: layout.write(folder, seed=int(recipe["seed"])),
    ),
}
ELSEWHERE = ("ucr-ecg200",)
"""Tasks beside the registered ones that keep the contract too."""


def of(name: str) -> Tiny:
    """The entry of a task; one that has none here is tried with its laptop recipe."""
    task = tasks.get(name)
    return _TINY.get(name) or Tiny(
        task.recipes["laptop"], perfect=_one_hot if task.kind == "classification" else _as_given
    )
