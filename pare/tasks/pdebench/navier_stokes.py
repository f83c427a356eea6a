"""Compressible Navier–Stokes equations of PDEBench on a circle: density, pressure and velocity at t = 0 and t = 1."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.interpolate import make_interp_spline

from pare.data.task import Baseline, Download, Metric, Published, Recipe, Split
from pare.tasks.pdebench.base import (
    LAPTOP_1D,
    PAPER_1D,
    RECALLED,
    OneFrame,
    field_nrmse,
    field_relative_l2,
    rates,
    released,
    rolled_out,
)
from pare.tasks.pdebench.euler_solver import GAMMA, flow
from pare.tasks.pdebench.hdf5 import Stacked, centres
from pare.tasks.pdebench.initial_conditions import rescaled, waves

CELLS = 1024
_MODES, _WINDOWED = 3, 0.5
_DENSITIES, _PRESSURES = (1.0, 10.0), (10.0, 100.0)
"""The bounds of a sample's range and of its least value, both drawn on a logarithmic scale."""


class NavierStokes(OneFrame):
    """Navier-Stokes 1D, η = ζ = 0.1: three fields in, the same three at t = 1 out, in their own units.

    ORCA lays the fields end to end and takes its error after dividing by the deviations of the inputs, which weighs
    them otherwise than the mean over fields of PDEBench that stands here.
    """

    name = "pde-navier-stokes"
    title = "Navier-Stokes 1D (PDEBench)"
    shape = (3, CELLS)
    output_shape = (3, CELLS)
    metric = Metric("nRMSE", "minimize", field_nrmse)
    criterion = staticmethod(field_relative_l2)
    files = ("1D_CFD_Rand_Eta0.1_Zeta0.1_periodic_Train.hdf5",)
    downloads: ClassVar[Mapping[str, Download]] = {
        "1D_CFD_Rand_Eta0.1_Zeta0.1_periodic_Train.hdf5": released(164668, "45655bd77d006ab539c52b7fbcf099b9")
    }
    times = (0.0, 1.0)
    domain = (-1.0, 1.0)
    chunk = 50
    layout = Stacked(("density", "pressure", "Vx"))
    published = (
        *rolled_out(PINN=7.2e-1, FNO=6.8e-2),
        Published("ORCA", 6.2e-2, RECALLED, False, "nRMSE in normalised units"),
    )
    paper: ClassVar[Mapping[str, Any]] = PAPER_1D | {
        "patch": 8,
        "curriculum.start": 32 / 128,
        "optimizer.name": "adamw",
        "optimizer.weight_decay": 1e-3,
        **rates(1e-4),
    }
    laptop: ClassVar[Mapping[str, Any]] = LAPTOP_1D | {"patch": 32, "curriculum.start": 0.5, **rates(1e-3)}
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "laptop": {"samples": 300, "cells": 128, "seed": 0},
        "paper": {"samples": 10000, "cells": CELLS, "seed": 0},
    }

    def solve(self, rngs: Sequence[np.random.Generator], recipe: Recipe) -> np.ndarray:
        """The recipe's `cells` are those of the solver; what it found is interpolated to the file's 1,024."""
        cells = int(recipe["cells"])
        x, fine = centres(cells, self.domain), centres(CELLS, self.domain)
        start = np.stack([_state(rng, fine) for rng in rngs])
        coarse = start.reshape(*start.shape[:2], cells, -1).mean(3)
        end = flow(coarse, self.times[1], self.domain[1] - self.domain[0])
        if cells < CELLS:
            around = np.concatenate([[x[-1] - 2], x, [x[0] + 2]])
            padded = np.concatenate([end[..., -1:], end, end[..., :1]], axis=-1)
            end = make_interp_spline(around, padded, k=1, axis=-1)(fine)
        return np.stack([start, end], axis=1)

    def baseline(self, train: Split) -> Baseline:  # noqa: ARG002
        """Predict the state of rest of a gas from its conserved mass, momentum and energy."""
        return Baseline("conserved means", lambda x: np.repeat(settled(x)[..., None], CELLS, axis=-1))


TASK = NavierStokes()


def settled(x: np.ndarray) -> np.ndarray:
    """Density, pressure and velocity (n, 3), alike everywhere, with the mass, momentum and energy of x (n, 3, L)."""
    density, pressure, velocity = np.moveaxis(x.astype(np.float64), 1, 0)
    mass, momentum = density.mean(1), (density * velocity).mean(1)
    energy = (pressure / (GAMMA - 1) + density * velocity**2 / 2).mean(1)
    return np.stack([mass, (GAMMA - 1) * (energy - momentum**2 / mass / 2), momentum / mass], axis=1)


def _state(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Density, pressure and velocity (3, L) as published."""
    fields = []
    for span in (_DENSITIES, _PRESSURES):
        wave = rescaled(waves(rng, x, _MODES, _WINDOWED))
        low, high = np.log(span)
        scale, least = np.exp(rng.uniform(low, high, 2))
        fields.append(wave * scale + least)
    return np.stack([*fields, waves(rng, x, _MODES, _WINDOWED)])
