"""Initial conditions of PDEBench's equations on a line, and the limited slopes of its finite volumes."""

import numpy as np

_CHOSEN = 2
"""Modes that are chosen, with replacement."""

_EDGE = 0.01
"""Width of a window's edges."""


def waves(rng: np.random.Generator, x: np.ndarray, modes: int = 4, windowed: float = 0.1) -> np.ndarray:
    """A sum of sines u(x) (L,) as published, its absolute value with probability 0.1, with a random sign.

    u = Σᵢ Aᵢ sin(2π i mᵢ x / (x_last − x_first) + φᵢ), where mᵢ counts how often mode i was chosen: what was not adds a
    constant, and nothing is exactly periodic. With probability `windowed` a smooth window leaves only its middle. Edges
    are drawn apart from whether there is a window; in the released files one random number may have served for both.
    """
    multiple = np.bincount(rng.integers(0, modes, _CHOSEN), minlength=modes) * np.arange(1, modes + 1)
    amplitude, phase = rng.uniform(0, 1, modes), rng.uniform(0, 2 * np.pi, modes)
    u = amplitude @ np.sin(2 * np.pi * multiple[:, None] * x / (x[-1] - x[0]) + phase[:, None])
    if rng.random() < 0.1:
        u = np.abs(u)
    u = u * rng.choice((1.0, -1.0))
    inside, left, right = rng.random() < windowed, rng.uniform(0.1, 0.45), rng.uniform(0.55, 0.9)
    if inside:
        u = u * 0.5 * (np.tanh((x - left) / _EDGE) - np.tanh((x - right) / _EDGE))
    return u


def rescaled(u: np.ndarray) -> np.ndarray:
    """u (L,) shifted and stretched to run from 0 to 1."""
    u = u - u.min()
    return u / u.max()


def slopes(u: np.ndarray) -> np.ndarray:
    """Limited differences across each cell along the last, periodic axis."""
    left = u - np.roll(u, 1, -1)
    return limited(left, np.roll(left, -1, -1))


def limited(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The mean of the differences to both neighbours, at most twice the smaller; 0 where they disagree (van Leer)."""
    steep = np.where(left * right > 0, 2 * np.minimum(np.abs(left), np.abs(right)), 0)
    return np.clip((left + right) / 2, -steep, steep)
