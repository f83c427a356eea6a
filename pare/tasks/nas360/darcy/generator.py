"""Darcy flow as published: −∇·(a∇u) = 1 on the unit square, u = 0 on its boundary, a ∈ {3, 12} by a thresholded field.

The generator of the Fourier neural operator (arXiv 2010.08895; `GRF.m` and `solve_gwf.m`), whose cell-centred samples
pass through a node grid by cubic splines. Only the linear solver differs: conjugate gradients instead of elimination.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from scipy.fft import dstn, idctn
from scipy.interpolate import make_interp_spline
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import LinearOperator, cg, spsolve
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pare.data.task import ProgressCallback

ALPHA = 2.0
TAU = 3.0
COEFFICIENTS = (3.0, 12.0)
"""The coefficient where the random field is negative, and where it is not."""

_TOLERANCE = 1e-10
_ITERATIONS = 200


def generate(
    seed: int, stream: int, count: int, resolution: int, progress: ProgressCallback, workers: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and solutions, each (count, s, s) float64, sample i depending on (seed, stream, i, s) alone."""
    coefficients = np.empty((count, resolution, resolution))
    solutions = np.empty_like(coefficients)

    def fill(index: int) -> None:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, index)))
        coefficients[index] = coefficient(rng, resolution)
        solutions[index] = solve(coefficients[index])

    pool = ThreadPoolExecutor(workers or _processors())
    try:
        # One thread per sample; BLAS threads on top of them would make small products ten times slower.
        with threadpool_limits(1, user_api="blas"):
            for done, _ in enumerate(pool.map(fill, range(count)), start=1):
                progress(done, count)
    finally:
        pool.shutdown(cancel_futures=True)
    return coefficients, solutions


def coefficient(rng: np.random.Generator, s: int) -> np.ndarray:
    """One piecewise constant coefficient (s, s): ψ(g), g ~ N(0, (−Δ + τ²)^−α) with Neumann boundary, zero mean."""
    squares = np.arange(s) ** 2
    deviations = TAU ** (ALPHA - 1) * (np.pi**2 * np.add.outer(squares, squares) + TAU**2) ** (-ALPHA / 2)
    modes = s * deviations * rng.standard_normal((s, s))
    modes[0, 0] = 0
    low, high = COEFFICIENTS
    return np.where(idctn(modes, norm="ortho") >= 0, high, low)


def solve(a: np.ndarray) -> np.ndarray:
    """The solution u (s, s) at cell centres for the coefficient a (s, s) at cell centres."""
    s = len(a)
    to_nodes, to_centres = _splines(s)
    matrix = stiffness(to_nodes @ a @ to_nodes.T)
    right = np.ones(matrix.shape[0])
    laplacian = _laplacian(s)

    def precondition(residual: np.ndarray) -> np.ndarray:
        # The Laplacian is diagonal in the sine basis and equivalent to the operator up to the coefficient's contrast,
        # so that the number of iterations does not grow with the resolution.
        modes = dstn(residual.reshape(laplacian.shape), type=1, norm="ortho") / laplacian
        solved: np.ndarray = dstn(modes, type=1, norm="ortho").ravel()
        return solved

    poisson = LinearOperator(matrix.shape, matvec=precondition, dtype=np.float64)
    interior, failure = cg(matrix, right, rtol=_TOLERANCE, maxiter=_ITERATIONS, M=poisson)
    if failure:  # splines overshoot at jumps, so the matrix is not positive definite by construction
        interior = spsolve(matrix.tocsc(), right)
    nodes = np.pad(interior.reshape(s - 2, s - 2), 1)
    solution: np.ndarray = to_centres @ nodes @ to_centres.T
    return solution


def stiffness(a: np.ndarray) -> csr_array:
    """The five-point matrix ((s−2)², (s−2)²) over interior nodes, each face taking the mean of its two nodes' a."""
    s = len(a)
    down = (a[:-1, 1:-1] + a[1:, 1:-1]) / 2
    right = (a[1:-1, :-1] + a[1:-1, 1:]) / 2
    diagonal = down[:-1] + down[1:] + right[:, :-1] + right[:, 1:]
    below = -down[1:-1].ravel()
    beside = -np.pad(right[:, 1:-1], ((0, 0), (0, 1))).ravel()[:-1]  # no neighbour across the end of a row
    bands = [diagonal.ravel(), below, below, beside, beside]
    return csr_array(diags_array(bands, offsets=[0, s - 2, 2 - s, 1, -1]) * (s - 1) ** 2)


@cache
def _splines(s: int) -> tuple[np.ndarray, np.ndarray]:
    """Not-a-knot cubic interpolation, linear in its values and so a matrix (s, s): centres to nodes, nodes to centres.

    The outermost nodes lie beyond the outermost centres; the end polynomials are continued to them.
    """
    centres, nodes = (np.arange(s) + 0.5) / s, np.linspace(0, 1, s)
    identity = np.eye(s)
    return make_interp_spline(centres, identity)(nodes), make_interp_spline(nodes, identity)(centres)


@cache
def _laplacian(s: int) -> np.ndarray:
    """Eigenvalues (s−2, s−2) of the five-point −Δ with zero Dirichlet boundary."""
    along = (2 * (s - 1) * np.sin(np.pi * np.arange(1, s - 1) / (2 * (s - 1)))) ** 2
    return np.add.outer(along, along)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
