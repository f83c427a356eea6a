"""Pictures of 100 kinds in 20 families, simulated: a family's fractal and ground, a kind's own variant of both.

What a network must find is what it finds in photographs: a shape at any place and angle, its colour, and what it stands
on, none of them certain by itself.
"""

from functools import cache

import numpy as np

from pare.data.synthetic.ifs import histogram, point_sets, rotation

# CIFAR-100's superclass of each class, from its own `coarse_labels`.
# fmt: off
COARSE = np.array([
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1,
    10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12,
    12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0,
    17, 8, 14, 13,
])
# fmt: on
_FAMILIES = 20
_MEMBER = np.array([np.sum(COARSE[:kind] == COARSE[kind]) for kind in range(100)])
"""The index of a kind among the five of its family."""

_SEED = 100
"""Other fractals than the source proxy's, which start from seed 0."""

_point_sets = cache(point_sets)


def draw(kinds: np.ndarray, rng: np.random.Generator, size: int = 32) -> np.ndarray:
    """One picture of each of the kinds (n,): (n, 3, size, size) uint8."""
    n = len(kinds)
    family, member = COARSE[kinds], _MEMBER[kinds]
    clouds = _point_sets(_FAMILIES, variants=5, points=1024, seed=_SEED)[family, member]
    turn = rotation(rng.normal(0, 0.25, n)) * (rng.uniform(0.35, 0.48, n) * rng.choice([-1, 1], n))[:, None, None]
    shift = rng.uniform(-0.08, 0.08, (n, 1, 2)) + 0.5
    density = np.log1p(histogram((clouds @ turn.transpose(0, 2, 1) + shift).astype(np.float32), size))
    cover = (1.5 * density / density.max(axis=(1, 2), keepdims=True)).clip(0, 1)[:, None]

    ground = _colour(family / _FAMILIES + rng.normal(0, 0.01, n), rng.uniform(0.5, 0.9, n), rng.uniform(0.4, 0.7, n))
    ground = ground * _light(n, size, rng)
    body = _colour(member / 5 + rng.normal(0, 0.03, n), rng.uniform(0.6, 1.0, n), rng.uniform(0.8, 1.0, n))
    image = ground + cover * (body - ground) + rng.normal(0, 0.04, (n, 3, size, size))
    return np.asarray((image.clip(0, 1) * 255).astype(np.uint8))


def _colour(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Smooth RGB (n, 3, 1, 1) of hue (in turns), saturation and value, each (n,)."""
    wheel = 0.5 + 0.5 * np.cos(2 * np.pi * (hue[:, None] - np.arange(3) / 3))
    colour: np.ndarray = value[:, None] * (1 - saturation[:, None] * (1 - wheel))
    return colour[:, :, None, None]


def _light(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """A slope of brightness over each picture (n, 1, size, size), about 1."""
    across = np.linspace(-1, 1, size)
    slopes = rng.normal(0, 0.2, (2, n, 1, 1, 1))
    light: np.ndarray = (1 + slopes[0] * across + slopes[1] * across[:, None]).clip(0.3, 1.7)
    return light
