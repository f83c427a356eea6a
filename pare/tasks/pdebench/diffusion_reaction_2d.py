"""Diffusion-reaction in the plane of PDEBench (FitzHugh and Nagumo): two fields that start as noise, until t = 5."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.fft import dctn, idctn

from pare.data.task import Baseline, Download, Recipe, Split
from pare.tasks.pdebench.base import LAPTOP_2D, PAPER_2D, OneFrame, indexed, rates, released, rolled_out
from pare.tasks.pdebench.hdf5 import Grouped

SIDE = 128
DIFFUSION = (1e-3, 5e-3)
"""The diffusion coefficients of u and of v."""

REST = 5e-3
"""k: what is taken from u."""

_STEPS = 100
"""They lengthen in proportion to their number, for the noise at the start reacts fastest."""


class DiffusionReaction2D(OneFrame):
    """Diffusion-reaction 2D as ORCA poses it: u at the start in, v at t = 5 out, half of the state being hidden."""

    name = "pde-diffusion-reaction-2d"
    title = "Diffusion-reaction 2D, u to v (PDEBench)"
    shape = (1, SIDE, SIDE)
    output_shape: ClassVar[tuple[int, ...]] = (SIDE, SIDE)
    files = ("2D_diff-react_NA_NA.h5",)
    downloads: ClassVar[Mapping[str, Download]] = {
        "2D_diff-react_NA_NA.h5": released(133017, "b8d0b86064193195ddc30c33be5dc949")
    }
    times = (0.0, 5.0)
    domain = (-1.0, 1.0)
    layout = Grouped(2)
    test_first = False
    chunk = 5
    published = (
        *rolled_out(PINN=8.4e-1, FNO=1.2e-1, U_Net=1.6),
        *indexed(ORCA=8.2e-1, Rethinking_2026=8.17e-1),
    )
    paper: ClassVar[Mapping[str, Any]] = PAPER_2D | {
        "optimizer.name": "adam",
        "optimizer.weight_decay": 1e-3,
        **rates(1e-4),
    }
    laptop: ClassVar[Mapping[str, Any]] = LAPTOP_2D | {"optimizer.weight_decay": 0.01, **rates(1e-3)}
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "laptop": {"samples": 200, "seed": 0},
        "paper": {"samples": 1000, "seed": 0},
    }

    def generator(self, seed: int, index: int) -> np.random.Generator:
        """Return the random generator of sample `index`: with seed 0 it starts from the released sample's noise."""
        return np.random.default_rng(seed * 10**6 + index)

    def solve(self, rngs: Sequence[np.random.Generator], recipe: Recipe) -> np.ndarray:  # noqa: ARG002
        start = np.stack([rng.standard_normal((2, SIDE, SIDE)) for rng in rngs])
        return np.stack([start, excited(start, self.times[1], 2 / SIDE)], axis=1)

    def pair(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return frames[:, 0, :1], frames[:, 1, 1]

    def baseline(self, train: Split) -> Baseline:
        """The best of all predictors that see neither place nor direction and are linear."""
        return filtered(train)


TASK = DiffusionReaction2D()


def excited(state: np.ndarray, time: float, dx: float) -> np.ndarray:
    """u and v (n, 2, X, Y) in a closed box, after `time`; see `evolved`."""
    return evolved(state, (time,), dx)[:, 0]


def evolved(state: np.ndarray, times: Sequence[float], dx: float) -> np.ndarray:
    """u and v (n, 2, X, Y) in a closed box, at all of the rising `times`: (n, T, 2, X, Y).

    The published differences in space; diffusion, exact in the cosine basis, and reaction, by the classical Runge-Kutta
    method, in turn.
    """
    rates = np.multiply.outer(DIFFUSION, laplacian(state.shape[-1], dx))

    def spread(fields: np.ndarray, time: float) -> np.ndarray:
        return np.asarray(idctn(dctn(fields, axes=(2, 3)) * np.exp(-rates * time), axes=(2, 3)))

    moments = np.union1d(times[-1] * (np.arange(_STEPS + 1) / _STEPS) ** 2, times)
    frames = []
    owed = 0.0  # Half a step of diffusion after a reaction is done together with the half before the next.
    for moment, step in zip(moments[1:], np.diff(moments), strict=True):
        state = _react(spread(state, owed + step / 2), step)
        owed = step / 2
        if moment in times:
            frames.append(spread(state, owed))
    return np.stack(frames, axis=1)


def laplacian(side: int, dx: float) -> np.ndarray:
    """Eigenvalues (side, side) of −Δ by five points in the cosine basis: no flux through the sides."""
    along = (2 / dx * np.sin(np.pi * np.arange(side) / (2 * side))) ** 2
    return np.add.outer(along, along)


def filtered(train: Split) -> Baseline:
    """The linear map of fields that does not depend on place or direction: least squares for each wavelength.

    Inputs (n, C, X, Y), targets (n, X, Y) or (n, C', X, Y).
    """
    x = train.x.astype(np.float64)
    y = train.y.reshape(len(x), -1, *x.shape[2:]).astype(np.float64)
    x_mean, y_mean = (array.mean(axis=(0, 2, 3), keepdims=True) for array in (x, y))
    side = x.shape[-1]
    # The cosine basis knows direction by its two wavenumbers; those of one length are one ring.
    ring = np.rint(np.hypot(*np.meshgrid(np.arange(side), np.arange(side)))).astype(int)
    inputs, targets = (dctn(array, axes=(2, 3), norm="ortho") for array in (x - x_mean, y - y_mean))
    weights = np.empty((ring.max() + 1, x.shape[1], y.shape[1]))
    for number in range(len(weights)):
        a, b = (
            np.moveaxis(array[:, :, ring == number], 1, 2).reshape(-1, array.shape[1]) for array in (inputs, targets)
        )
        weights[number] = np.linalg.lstsq(a, b, rcond=None)[0]

    def predict(fields: np.ndarray) -> np.ndarray:
        modes = dctn(fields - x_mean, axes=(2, 3), norm="ortho")
        filtered_modes = np.einsum("ncxy,xycd->ndxy", modes, weights[ring])
        return (idctn(filtered_modes, axes=(2, 3), norm="ortho") + y_mean).reshape(len(fields), *train.y.shape[1:])

    return Baseline("isotropic linear filter", predict)


def _react(state: np.ndarray, step: float) -> np.ndarray:
    first = _rate(state)
    second = _rate(state + step / 2 * first)
    third = _rate(state + step / 2 * second)
    fourth = _rate(state + step * third)
    return state + step / 6 * (first + 2 * second + 2 * third + fourth)


def _rate(state: np.ndarray) -> np.ndarray:
    u, v = state[:, 0], state[:, 1]
    return np.stack([u - u**3 - REST - v, u - v], axis=1)
