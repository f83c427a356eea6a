"""Shallow water of PDEBench: a round dam breaks; its height at t = 0 and t = 1."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from pare.data.task import Baseline, Published, Recipe, Split
from pare.tasks.pdebench import shallow_water_solver
from pare.tasks.pdebench.base import (
    LAPTOP_2D,
    PAPER_2D,
    RECALLED,
    OneFrame,
    indexed,
    interpolated,
    rates,
    rolled_out,
)
from pare.tasks.pdebench.hdf5 import Grouped, centres

SIDE = 128


class ShallowWater(OneFrame):
    """Shallow water: the height of a dam of some radius in, the height at t = 1 out."""

    name = "pde-shallow-water"
    title = "Shallow water (PDEBench)"
    shape = (1, SIDE, SIDE)
    output_shape = (SIDE, SIDE)
    files = ("2D_rdb_NA_NA.h5",)
    times = (0.0, 1.0)
    domain = (-2.5, 2.5)
    layout = Grouped()
    test_first = False
    homogeneous = False
    chunk = 5
    published = (
        *rolled_out(PINN=8.3e-2, FNO=4.4e-3, U_Net=1.7e-2),
        Published("ORCA", 6.0e-3, RECALLED, verified=False),
        *indexed(Rethinking_2026=5.4e-3),
    )
    paper: ClassVar[Mapping[str, Any]] = PAPER_2D | {
        "optimizer.name": "adamw",
        "optimizer.weight_decay": 0.0,
        "optimizer.warmup": 10 / 200,
        **rates(1e-4),
    }
    laptop: ClassVar[Mapping[str, Any]] = LAPTOP_2D | {"optimizer.weight_decay": 0.01, **rates(1e-3)}
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "laptop": {"samples": 200, "seed": 0},
        "paper": {"samples": 1000, "seed": 0},
    }

    def generator(self, seed: int, index: int) -> np.random.Generator:
        """Return the random generator of sample `index`: with seed 0 it draws the released sample's radius."""
        return np.random.default_rng(seed * 10**6 + index)

    def solve(self, rngs: Sequence[np.random.Generator], recipe: Recipe) -> np.ndarray:  # noqa: ARG002
        """A quarter is solved, as all four are alike."""
        x = centres(SIDE, self.domain)
        distance = np.hypot(*np.meshgrid(x, x, indexing="ij"))
        start = np.stack([np.where(distance <= rng.uniform(0.3, 0.7), 2.0, 1.0) for rng in rngs])
        half = SIDE // 2
        quarter = shallow_water_solver.broken(start[:, half:, half:], self.times[1], self.domain[1] / half)
        right = np.concatenate([quarter[:, ::-1], quarter], axis=1)
        end = np.concatenate([right[:, :, ::-1], right], axis=2)
        return np.stack([start, end], axis=1)[:, :, None]

    def baseline(self, train: Split) -> Baseline:
        """The input is one number, the radius."""
        return interpolated(train)


TASK = ShallowWater()
