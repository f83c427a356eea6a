"""Advection of PDEBench: u_t + 0.4 u_x = 0 on a circle, from u(0) to u(2)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from pare.data.task import Baseline, Download, Recipe, Split
from pare.tasks.pdebench.base import LAPTOP_1D, PAPER_1D, OneFrame, indexed, rates, released, rolled_out
from pare.tasks.pdebench.hdf5 import centres
from pare.tasks.pdebench.initial_conditions import slopes, waves

SPEED = 0.4
CELLS = 1024
_COURANT = 0.4


class Advection(OneFrame):
    """Advection, β = 0.4: a wave in, every fourth point of it; where it is at t = 2 out."""

    name = "pde-advection"
    title = "Advection (PDEBench)"
    shape = (1, 256)
    output_shape: ClassVar[tuple[int, ...]] = (256,)
    files = ("1D_Advection_Sols_beta0.4.hdf5",)
    downloads: ClassVar[Mapping[str, Download]] = {
        "1D_Advection_Sols_beta0.4.hdf5": released(255674, "d595bbfd2c659df995a93cd40d6ea568")
    }
    times = (0.0, 2.0)
    published = (
        *rolled_out(PINN=6.7e-1, FNO=1.1e-2, U_Net=1.1),
        *indexed(ORCA=9.8e-3, MoNA=8.8e-3, Rethinking_2026=7.8e-3),
    )
    paper: ClassVar[Mapping[str, Any]] = PAPER_1D | {
        "patch": 1,
        "curriculum.start": 32 / 256,
        "optimizer.name": "adam",
        "optimizer.weight_decay": 1e-5,
        **rates(1e-4),
    }
    laptop: ClassVar[Mapping[str, Any]] = LAPTOP_1D | {"patch": 8, "curriculum.start": 0.5, **rates(2e-3)}
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "laptop": {"samples": 300, "seed": 0},
        "paper": {"samples": 10000, "seed": 0},
    }

    def solve(self, rngs: Sequence[np.random.Generator], recipe: Recipe) -> np.ndarray:  # noqa: ARG002
        start = np.stack([waves(rng, centres(CELLS, self.domain)) for rng in rngs])
        return np.stack([start, transport(start, self.times[1])], axis=1)[:, :, None]

    def baseline(self, train: Split) -> Baseline:  # noqa: ARG002
        """The exact solution: what is left of the error is that of the published solver."""
        return Baseline("periodic shift", lambda x: shifted(x[:, 0], SPEED * self.times[1]))


TASK = Advection()


def transport(u: np.ndarray, time: float) -> np.ndarray:
    """u (n, L) after `time` by second-order upwind finite volumes as published, smearing included."""
    dx = 1 / u.shape[-1]
    steps = int(np.ceil(time * SPEED / (_COURANT * dx) - 1e-9))
    courant = SPEED * time / steps / dx
    for _ in range(steps):
        halfway = u - courant / 2 * _outflow(u)
        u = u - courant * _outflow(halfway)
    return u


def shifted(u: np.ndarray, distance: float) -> np.ndarray:
    """u (n, L), periodic on [0, 1], moved to the right, between its points by its Fourier series."""
    modes = np.fft.rfft(u)
    turns = np.exp(-2j * np.pi * np.arange(modes.shape[-1]) * distance)
    return np.fft.irfft(modes * turns, u.shape[-1])


def _outflow(u: np.ndarray) -> np.ndarray:
    """Return the net outflow of each cell: what leaves to the right less what enters from the left."""
    right = u + slopes(u) / 2
    return right - np.roll(right, 1, -1)
