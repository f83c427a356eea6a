"""Diffusion with sorption of PDEBench: u_t = D/R(u) u_xx beside a source, from u(0), a constant, to u(500)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.integrate import solve_ivp

from pare.data.task import Baseline, Download, Recipe, Split
from pare.tasks.pdebench.base import (
    LAPTOP_1D,
    PAPER_1D,
    OneFrame,
    indexed,
    interpolated,
    rates,
    released,
    rolled_out,
)
from pare.tasks.pdebench.hdf5 import Grouped

DIFFUSION = 5e-4
POROSITY = 0.29
DENSITY = 2880.0
FREUNDLICH, EXPONENT = 3.5e-4, 0.874
SOURCE = 1.0
CELLS = 1024
_TOLERANCE = 1e-7


class DiffusionSorption(OneFrame):
    """Diffusion-sorption: the constant that the column starts from in, the column at t = 500 out."""

    name = "pde-diffusion-sorption"
    title = "Diffusion-sorption (PDEBench)"
    shape = (1, CELLS)
    output_shape = (CELLS,)
    files = ("1D_diff-sorp_NA_NA.h5",)
    downloads: ClassVar[Mapping[str, Download]] = {
        "1D_diff-sorp_NA_NA.h5": released(133020, "9d466d1213065619d087319e16d9a938")
    }
    times = (0.0, 500.0)
    layout = Grouped()
    test_first = False
    homogeneous = False
    published = (
        *rolled_out(PINN=1.5e-1, FNO=1.7e-3, U_Net=2.2e-1),
        *indexed(ORCA=1.8e-3, MoNA=1.6e-3, Rethinking_2026=1.6e-3),
    )
    paper: ClassVar[Mapping[str, Any]] = PAPER_1D | {
        "patch": 32,
        "curriculum.start": 1.0,  # 32 of 32 patches
        "optimizer.name": "adamw",
        "optimizer.weight_decay": 0.0,
        **rates(1e-4),
    }
    laptop: ClassVar[Mapping[str, Any]] = LAPTOP_1D | {"patch": 32, "curriculum.start": 0.5, **rates(1e-3)}
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "laptop": {"samples": 300, "seed": 0},
        "paper": {"samples": 10000, "seed": 0},
    }

    def generator(self, seed: int, index: int) -> np.random.Generator:
        """Return the random generator of sample `index`: with seed 0 it starts as the released sample does."""
        return np.random.default_rng(seed * 10**6 + index)

    def solve(self, rngs: Sequence[np.random.Generator], recipe: Recipe) -> np.ndarray:  # noqa: ARG002
        start = np.stack([np.full(CELLS, rng.uniform(0, 0.2)) for rng in rngs])
        end = np.stack([soak(column, self.times[1]) for column in start])
        return np.stack([start, end], axis=1)[:, :, None]

    def baseline(self, train: Split) -> Baseline:
        """The input is one number."""
        return interpolated(train)


TASK = DiffusionSorption()


def soak(u: np.ndarray, time: float) -> np.ndarray:
    """A column u (L,) on [0, 1] after `time`, by the published differences in space."""
    solution = solve_ivp(
        change, (0, time), u, method="LSODA", lband=1, uband=1, rtol=_TOLERANCE, atol=_TOLERANCE, t_eval=[time]
    )
    end: np.ndarray = solution.y[:, -1]
    return end


def change(_: float, u: np.ndarray) -> np.ndarray:
    """u_t (L,): left of the first cell lies the source, right of the last one D times the slope there."""
    dx = 1 / len(u)
    beyond = DIFFUSION * (u[-2] - u[-1]) / dx
    padded = np.concatenate([[SOURCE], u, [beyond]])
    return DIFFUSION / retardation(u) * np.diff(padded, 2) / dx**2


def retardation(u: np.ndarray) -> np.ndarray:
    """R(u) of Freundlich's sorption."""
    bulk = (1 - POROSITY) / POROSITY * DENSITY * FREUNDLICH * EXPONENT
    return 1 + bulk * (np.maximum(u, 0) + 1e-6) ** (EXPONENT - 1)
