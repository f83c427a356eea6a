"""Burgers' equation of PDEBench: u_t + (u²/2)_x = (1/π) u_xx on a circle, from u(0) to u(2)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from pare.data.task import Baseline, Download, Published, Recipe, Split
from pare.tasks.pdebench.advection import shifted
from pare.tasks.pdebench.base import (
    LAPTOP_1D,
    PAPER_1D,
    RECALLED,
    OneFrame,
    rates,
    released,
    rolled_out,
    root_squared_error,
)
from pare.tasks.pdebench.hdf5 import centres
from pare.tasks.pdebench.initial_conditions import waves

VISCOSITY = 1 / np.pi
CELLS = 1024


class Burgers(OneFrame):
    """Burgers, ν = 1: a wave in, what is left of it at t = 2 out. That is its mean, to eleven digits."""

    name = "pde-burgers"
    title = "Burgers (PDEBench)"
    shape = (1, CELLS)
    output_shape = (CELLS,)
    criterion = staticmethod(root_squared_error)
    files = ("1D_Burgers_Sols_Nu1.0.hdf5",)
    downloads: ClassVar[Mapping[str, Download]] = {
        "1D_Burgers_Sols_Nu1.0.hdf5": released(281365, "9021eba35332d127306f11ef84c1a60f")
    }
    times = (0.0, 2.0)
    published = (
        *rolled_out(PINN=3.6e-1, FNO=3.1e-3, U_Net=9.9e-1),
        Published("ORCA", 1.2e-2, RECALLED, verified=False),
    )
    paper: ClassVar[Mapping[str, Any]] = PAPER_1D | {
        "patch": 2,
        "curriculum.start": 32 / 512,
        "optimizer.name": "adam",
        "optimizer.weight_decay": 1e-5,
        **rates(1e-5),
    }
    laptop: ClassVar[Mapping[str, Any]] = LAPTOP_1D | {"patch": 32, "curriculum.start": 0.5, **rates(1e-3)}
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "laptop": {"samples": 300, "seed": 0},
        "paper": {"samples": 10000, "seed": 0},
    }

    def solve(self, rngs: Sequence[np.random.Generator], recipe: Recipe) -> np.ndarray:  # noqa: ARG002
        start = np.stack([waves(rng, centres(CELLS, self.domain)) for rng in rngs])
        return np.stack([start, decay(start, self.times[1])], axis=1)[:, :, None]

    def baseline(self, train: Split) -> Baseline:  # noqa: ARG002
        """Predict the conserved mean: modes have decayed by exp(−4π t) and more."""
        return Baseline("mean of the input", lambda x: np.broadcast_to(x.mean(2), (len(x), CELLS)))


TASK = Burgers()


def decay(u: np.ndarray, time: float) -> np.ndarray:
    """u (n, L), periodic on [0, 1], after `time`, exactly for the Fourier series of its potential (Cole and Hopf).

    In the frame that moves with the mean, u = −2ν φ_x/φ with φ_t = ν φ_xx and φ(0) = exp(−∫u dx / 2ν).
    """
    cells = u.shape[-1]
    mean = u.mean(-1, keepdims=True)
    wavenumbers = 2j * np.pi * np.arange(cells // 2 + 1)
    modes = np.fft.rfft(u - mean)
    modes[:, 1:] /= wavenumbers[1:]
    potential = np.exp(-np.fft.irfft(modes, cells) / (2 * VISCOSITY))
    spread = np.fft.rfft(potential) * np.exp(VISCOSITY * (wavenumbers**2).real * time)
    slope = np.fft.irfft(spread * wavenumbers, cells)
    moving = -2 * VISCOSITY * slope / np.fft.irfft(spread, cells)
    return mean + np.stack([shifted(row, float(drift) * time) for row, drift in zip(moving, mean[:, 0], strict=True)])
