"""Diffusion with logistic growth of PDEBench: u_t = 0.5 u_xx + u (1 − u) on a circle, from u(0) to u(0.29)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from pare.data.task import Baseline, Download, Recipe, Split
from pare.tasks.pdebench.base import LAPTOP_1D, PAPER_1D, OneFrame, indexed, rates, released, rolled_out
from pare.tasks.pdebench.hdf5 import centres
from pare.tasks.pdebench.initial_conditions import rescaled, waves

DIFFUSION = 0.5
GROWTH = 1.0
CELLS = 1024
_STEP = 1e-3


class DiffusionReaction(OneFrame):
    """Diffusion-reaction, ν = 0.5, ρ = 1: a wave between 0 and 1 in, the frame of index 29 out, as ORCA takes it."""

    name = "pde-diffusion-reaction"
    title = "Diffusion-reaction 1D (PDEBench)"
    shape = (1, CELLS)
    output_shape = (CELLS,)
    files = ("ReacDiff_Nu0.5_Rho1.0.hdf5",)
    downloads: ClassVar[Mapping[str, Download]] = {
        "ReacDiff_Nu0.5_Rho1.0.hdf5": released(133177, "69a429239778d529cd419ed5888ea835")
    }
    times = (0.0, 0.29)
    published = (
        *rolled_out(PINN=6.0e-3, FNO=1.4e-3, U_Net=8.0e-2),
        *indexed(ORCA=3.2e-3, MoNA=2.8e-3, Rethinking_2026=2.8e-3),
    )
    paper: ClassVar[Mapping[str, Any]] = PAPER_1D | {
        "patch": 4,
        "curriculum.start": 32 / 256,
        "optimizer.name": "sgd",
        "optimizer.momentum": 0.99,
        "optimizer.weight_decay": 1e-5,
        **rates(1e-3),
    }
    laptop: ClassVar[Mapping[str, Any]] = LAPTOP_1D | {"patch": 32, "curriculum.start": 0.5, **rates(1e-3)}
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "laptop": {"samples": 300, "seed": 0},
        "paper": {"samples": 10000, "seed": 0},
    }

    def solve(self, rngs: Sequence[np.random.Generator], recipe: Recipe) -> np.ndarray:  # noqa: ARG002
        start = np.stack([rescaled(waves(rng, centres(CELLS, self.domain))) for rng in rngs])
        return np.stack([start, react(start, self.times[1])], axis=1)[:, :, None]

    def baseline(self, train: Split) -> Baseline:  # noqa: ARG002
        """Diffusion first, all of it, then growth."""
        grown = self.times[1]
        return Baseline(
            "logistic growth of the mean", lambda x: np.broadcast_to(grow(x.mean(2), grown), (len(x), CELLS))
        )


TASK = DiffusionReaction()


def react(u: np.ndarray, time: float) -> np.ndarray:
    """u (n, L), periodic on [0, 1], after `time`: growth and diffusion in turn, each exact, with second-order error."""
    cells = u.shape[-1]
    steps = int(np.ceil(time / _STEP - 1e-9))
    step = time / steps
    damping = np.exp(-DIFFUSION * (2 * np.pi * np.arange(cells // 2 + 1)) ** 2 * step)
    u = grow(u, step / 2)
    for number in range(steps):
        u = np.fft.irfft(np.fft.rfft(u) * damping, cells)
        u = grow(u, step if number < steps - 1 else step / 2)
    return u


def grow(u: np.ndarray, time: float) -> np.ndarray:
    """The solution of u_t = ρ u (1 − u) after `time`."""
    factor = np.exp(GROWTH * time)
    return u * factor / (1 + u * (factor - 1))
