"""Darcy flow of PDEBench: from a coefficient of two values to a field that is on its way to the steady state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
from scipy.sparse import csc_array, diags_array, eye_array
from scipy.sparse.linalg import splu, spsolve
from scipy.special import erf

from pare.data.task import Baseline, Download, ProgressCallback, Published, Recipe, Split
from pare.errors import DataError
from pare.tasks.pdebench.base import LAPTOP_2D, PAPER_2D, RECALLED, OneFrame, indexed, rates, released
from pare.tasks.pdebench.hdf5 import centres, dataset, finite, opened, stride, write_coordinates

SIDE = 64
FORCE = 0.1
COEFFICIENTS = (0.1, 1.0)
_GAUSSIANS, _MODES = 5, 4
_STEPS = 30
_EDGE = 0.01
_GAMMA = 1 - 0.5**0.5


@dataclass(frozen=True)
class Steady:
    """`nu` (n, H, W) and `tensor` (n, 1, H, W), read as two frames of one field."""

    def read(
        self,
        path: Path,
        times: Sequence[float],  # noqa: ARG002
        spatial_shape: Sequence[int],
        progress: ProgressCallback,
    ) -> np.ndarray:
        parts = []
        with opened(path) as file:
            for number, name in enumerate(("nu", "tensor")):
                data = dataset(path, file, name)
                if name == "tensor" and data.ndim == 4 and data.shape[1] != 1:
                    raise DataError(f"{path}: tensor has shape {data.shape}, expected (n, 1, H, W)")
                shape = (data.shape[0], 1, *data.shape[1:]) if name == "nu" else data.shape
                parts.append(
                    np.asarray(data[stride(path, name, shape, 2, spatial_shape)], np.float32).reshape(
                        -1, 1, *spatial_shape
                    )
                )
                progress(number + 1, 2)
        if len(parts[0]) != len(parts[1]):
            raise DataError(f"{path}: {len(parts[0])} samples in nu, {len(parts[1])} in tensor")
        return finite(path, np.stack(parts, axis=1))

    def write(self, path: Path, times: Sequence[float], frames: np.ndarray, domain: tuple[float, float]) -> None:  # noqa: ARG002
        with h5py.File(path, "w") as file:
            file["nu"] = frames[:, 0, 0].astype(np.float32)
            file["tensor"] = frames[:, 1].astype(np.float32)
            write_coordinates(file, frames.shape[3:], domain, "-coordinate")
            file.attrs["beta"] = FORCE


class DarcyFlow(OneFrame):
    """Darcy flow, β = 0.1: the coefficient in, every second point of it; the field at t = 2 out.

    The field starts from a random level that the input does not tell, and where the coefficient is small it has not
    forgotten it by then: part of the target is no function of the input.
    """

    name = "pde-darcy"
    title = "Darcy flow (PDEBench)"
    shape = (1, SIDE, SIDE)
    output_shape = (SIDE, SIDE)
    files = ("2D_DarcyFlow_beta0.1_Train.hdf5",)
    downloads: ClassVar[Mapping[str, Download]] = {
        "2D_DarcyFlow_beta0.1_Train.hdf5": released(133218, "294f9a03a4aa16b0e386469ca8b471be")
    }
    times = (0.0, 2.0)
    layout = Steady()
    homogeneous = False
    chunk = 10
    published = (
        Published("FNO", 2.2e-1, RECALLED, verified=False),
        *indexed(ORCA=8.1e-2, MoNA=7.9e-2, Rethinking_2026=7.9e-2),
    )
    paper: ClassVar[Mapping[str, Any]] = PAPER_2D | {
        "epochs": 100,
        "optimizer.name": "adamw",
        "optimizer.weight_decay": 1e-5,
        "optimizer.clip": 0.0,
        "optimizer.warmup": 0.05,
        "gate.noise_until": 0.1,
        **rates(1e-4),
    }
    laptop: ClassVar[Mapping[str, Any]] = LAPTOP_2D | {"optimizer.weight_decay": 0.01, **rates(1e-3)}
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "laptop": {"samples": 200, "side": 128, "seed": 0},
        "paper": {"samples": 10000, "side": 128, "seed": 0},
    }

    def solve(self, rngs: Sequence[np.random.Generator], recipe: Recipe) -> np.ndarray:
        """The recipe's `side` is the grid's, a multiple of 64; the official 128."""
        x = centres(int(recipe["side"]), self.domain)
        pairs = [(coefficient(rng, x), initial(rng, x)) for rng in rngs]
        return np.stack([np.stack([nu, relaxed(nu, u, self.times[1])]) for nu, u in pairs])[:, :, None]

    def baseline(self, train: Split) -> Baseline:  # noqa: ARG002
        """Predict the steady state."""
        return Baseline("steady state", lambda x: np.stack([steady(nu) for nu in x[:, 0].astype(np.float64)]))


TASK = DarcyFlow()


def coefficient(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """ν (s, s): the larger value where a sum of five Gaussians exceeds its mean.

    The mean is that over all samples and places; in the released files it is taken over each batch of 200.
    """
    across, along = rng.uniform(0, 1, (2, _GAUSSIANS))
    spread = rng.uniform(0, 0.5, _GAUSSIANS)
    rows = np.exp(-((x - across[:, None]) ** 2) / spread[:, None])
    columns = np.exp(-((x - along[:, None]) ** 2) / spread[:, None])
    return np.where(rows.T @ columns > _mean(), COEFFICIENTS[1], COEFFICIENTS[0])


def initial(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """u(0) (s, s): a level from 0.1 to 10, small waves on it, with probability 0.5 inside a box only.

    Each sample has waves of its own; in the released files a batch of 200 shares their shape.
    """
    level, size = rng.uniform(0.1, 10), rng.uniform(0.01, 0.5)
    waves = np.zeros((len(x), len(x)))
    for i in range(-_MODES, _MODES + 1):
        for j in range(-_MODES, _MODES + 1):
            if i * j:
                phase = 2 * np.pi * (i * x[:, None] + j * x) + rng.uniform(0, 2 * np.pi)
                waves += (2 * np.pi * np.hypot(i, j)) ** -0.5 * np.sin(phase)
    waves *= size / np.abs(waves).mean()
    boxed, low, high = rng.random() < 0.5, rng.uniform(0.1, 0.45, 2), rng.uniform(0.55, 0.9, 2)
    if boxed:
        rows, columns = 0.5 * (np.tanh((x - low[:, None]) / _EDGE) - np.tanh((x - high[:, None]) / _EDGE))
        waves *= np.outer(rows, columns)
    return level + waves


def relaxed(nu: np.ndarray, u: np.ndarray, time: float) -> np.ndarray:
    """u (s, s) after `time` of u_t = ∇·(ν∇u) + β: an L-stable Runge-Kutta method of two implicit stages."""
    matrix, step = stiffness(nu), time / _STEPS
    solver = splu(csc_array(eye_array(nu.size) + _GAMMA * step * matrix), permc_spec="MMD_AT_PLUS_A")
    state = u.ravel()
    for _ in range(_STEPS):
        first = solver.solve(FORCE - matrix @ state)
        second = solver.solve(FORCE - matrix @ (state + (1 - _GAMMA) * step * first))
        state = state + step * ((1 - _GAMMA) * first + _GAMMA * second)
    return state.reshape(nu.shape)


def steady(nu: np.ndarray) -> np.ndarray:
    """u (s, s) with −∇·(ν∇u) = β."""
    solution: np.ndarray = spsolve(stiffness(nu), np.full(nu.size, FORCE))
    return solution.reshape(nu.shape)


def stiffness(nu: np.ndarray) -> csc_array:
    """−∇·(ν∇) as a matrix (s², s²) over cells: ν on a face is its neighbours' mean; u is 0 one cell beyond the edge."""
    side = len(nu)
    down, right = (nu[:-1] + nu[1:]) / 2, (nu[:, :-1] + nu[:, 1:]) / 2
    padded_down = np.concatenate([nu[:1], down, nu[-1:]])
    padded_right = np.concatenate([nu[:, :1], right, nu[:, -1:]], axis=1)
    diagonal = padded_down[:-1] + padded_down[1:] + padded_right[:, :-1] + padded_right[:, 1:]
    beside = np.pad(right, ((0, 0), (0, 1))).ravel()[:-1]  # no neighbour across the end of a row
    bands = [diagonal.ravel(), -down.ravel(), -down.ravel(), -beside, -beside]
    return csc_array(diags_array(bands, offsets=[0, side, -side, 1, -1]) * side**2)


@cache
def _mean() -> float:
    """Return the mean of the sum of Gaussians, over centres in the unit square and divisors up to 0.5."""
    s = (np.arange(10**4) + 0.5) / 10**4 / 2
    along = np.sqrt(np.pi * s) * erf(s**-0.5) + s * np.expm1(-1 / s)
    return float(_GAUSSIANS * np.mean(along**2))
