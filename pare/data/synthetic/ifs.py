"""Fractals by formula: iterated function systems sampled by their singular values, and the points they attract."""

import math

import numpy as np

MAPS = 6
"""Most affine maps in a system; the fewest is 2."""

_CHAINS, _BURN_IN = 64, 20
_LARGEST = 0.97  # singular value of a map: keeps every system contractive
_FILLED = (0.12, 0.65)  # share of a 32² grid that a fractal worth showing covers
_JITTER = 0.08
_SYSTEM, _VARIANT, _CHAOS = 1, 2, 3  # what random numbers are for: keeps their streams apart


def point_sets(classes: int, variants: int = 4, points: int = 4096, seed: int = 0) -> np.ndarray:
    """The points of `classes` fractals: (classes, variants, points, 2) float32, nearly all in [-1, 1]².

    Variants of a class are the same system with its parameters changed by up to 8 %. A class depends on `seed` and its
    number only, not on how many classes there are. Pictures larger than 64² want more points (a multiple of 64).
    """
    found: list[np.ndarray] = []
    candidate = 0
    while len(found) < classes:
        block = np.stack([_sample_system(_rng(seed, _SYSTEM, candidate + k)) for k in range(64)])
        found.extend(block[_worth_showing(_attractors(block, 4096, seed))])
        candidate += len(block)
    systems = np.stack([_vary(system, variants, _rng(seed, _VARIANT, c)) for c, system in enumerate(found[:classes])])
    return _attractors(systems.reshape(-1, MAPS, 2, 3), points, seed).reshape(classes, variants, points, 2)


def _rng(seed: int, purpose: int, number: int) -> np.random.Generator:
    return np.random.default_rng((seed, number, 0, purpose))


def _sample_system(rng: np.random.Generator) -> np.ndarray:
    """An iterated function system: (MAPS, 2, 3), a map [A | b] per row, those beyond its number zero.

    Its singular values s1 ≥ s2 have Σ s1 + 2 s2 in [(5 + N)/2, (6 + N)/2] for N maps (Anderson & Farrell 2021).
    """
    maps = int(rng.integers(2, MAPS + 1))
    singular = _sample_singular_values(maps, rng.uniform((5 + maps) / 2, (6 + maps) / 2), rng)
    while singular.max() > _LARGEST:
        singular = _sample_singular_values(maps, rng.uniform((5 + maps) / 2, (6 + maps) / 2), rng)
    left, right = (rotation(rng.uniform(-math.pi, math.pi, maps)) for _ in range(2))
    signs = rng.choice((-1.0, 1.0), (maps, 1, 2))
    system = np.zeros((MAPS, 2, 3))
    system[:maps, :, :2] = (left * singular[:, None]) @ right * signs
    system[:maps, :, 2] = rng.uniform(-1, 1, (maps, 2))
    return system


def _sample_singular_values(maps: int, total: float, rng: np.random.Generator) -> np.ndarray:
    """Pairs 1 ≥ s1 ≥ s2 ≥ 0 with Σ s1 + 2 s2 = `total`: (maps, 2), each drawn where the rest can make up the sum."""
    pairs = np.empty((maps, 2))
    for k in range(maps - 1):
        spare = total - 3 * (maps - 1 - k)  # what this pair must take if all later ones are 1
        first = rng.uniform(max(0, spare / 3), min(1, total))
        second = rng.uniform(max(0, (spare - first) / 2), min(first, (total - first) / 2))
        total -= first + 2 * second
        pairs[k] = first, second
    second = rng.uniform(max(0, (total - 1) / 2), total / 3)
    pairs[-1] = total - 2 * second, second
    return pairs


def _vary(system: np.ndarray, variants: int, rng: np.random.Generator) -> np.ndarray:
    """The system itself and relatives of it with every parameter changed a little: (variants, MAPS, 2, 3)."""
    factor = 1 + rng.uniform(-_JITTER, _JITTER, (variants, *system.shape))
    factor[0] = 1
    varied = system * factor
    largest = np.linalg.svd(varied[..., :2], compute_uv=False)[..., 0]
    varied[..., :2] *= np.minimum(1, _LARGEST / np.maximum(largest, _LARGEST))[..., None, None]
    return varied


def _attractors(systems: np.ndarray, points: int, seed: int) -> np.ndarray:
    """Points of each system by the chaos game, centred and scaled to [-1, 1]²: (systems, points, 2) float32.

    Every system is driven by the same random numbers, so that it looks the same in any company. A few stray points of
    a thin attractor may lie outside the square.
    """
    area = np.abs(np.linalg.det(systems[..., :2])) + 1e-3 * (np.abs(systems).sum(axis=(2, 3)) > 0)
    edges = np.cumsum(area / area.sum(axis=1, keepdims=True), axis=1)[:, :-1]
    steps = -(-points // _CHAINS)
    luck = _rng(seed, _CHAOS, 0).random((_BURN_IN + steps, _CHAINS))
    rows = np.arange(len(systems))[:, None]
    place = np.zeros((len(systems), _CHAINS, 2))
    trail = np.empty((steps, len(systems), _CHAINS, 2))
    for step, draw in enumerate(luck):
        chosen = systems[rows, (draw[:, None] > edges[:, None]).sum(axis=2)]
        place = (chosen[..., :2] * place[..., None, :]).sum(axis=-1) + chosen[..., 2]
        if step >= _BURN_IN:
            trail[step - _BURN_IN] = place
    cloud = trail.transpose(1, 0, 2, 3).reshape(len(systems), -1, 2)[:, :points]
    low, high = np.quantile(cloud, (0.01, 0.99), axis=1)[:, :, None]
    half = (high - low).max(axis=-1, keepdims=True) / 2
    return np.asarray((cloud - (low + high) / 2) / np.maximum(half, 1e-6), dtype=np.float32)


def _worth_showing(clouds: np.ndarray) -> np.ndarray:
    """Mark the point sets (n, points, 2) that are neither a few specks nor a solid patch: (n,) bool."""
    filled = (histogram(clouds / 2 + 0.5, 32) > 0).mean(axis=(1, 2))
    return np.asarray((filled >= _FILLED[0]) & (filled <= _FILLED[1]))


def histogram(clouds: np.ndarray, size: int) -> np.ndarray:
    """Count the points (n, points, 2), (x, y) in [0, 1)², that fall into each pixel: (n, size, size) float32.

    Points outside the unit square are not counted.
    """
    n = len(clouds)
    x, y = clouds[..., 0], clouds[..., 1]
    column, row = (x * size).astype(np.int32), (y * size).astype(np.int32)
    pixel = (np.arange(n, dtype=np.int32)[:, None] * size + row) * size + column
    pixel[(x < 0) | (x >= 1) | (y < 0) | (y >= 1)] = n * size * size
    counts = np.bincount(pixel.ravel(), minlength=n * size * size + 1)[:-1]
    return counts.astype(np.float32).reshape(n, size, size)


def rotation(angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (n, 2, 2) by `angle` (n,) in radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack((np.stack((cosine, -sine), axis=-1), np.stack((sine, cosine), axis=-1)), axis=-2)
