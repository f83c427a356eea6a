"""DNA with the marks that proteins leave on it, simulated: each mark has a motif, and open regions have more of all.

Motifs stand on either strand, most of them near the middle, several together, imperfectly spelt, as binding sites do;
open chromatin is also rich in G and C. Motifs occur elsewhere too, now and then, and mean nothing there.
"""

import numpy as np

MARKS, LENGTH, BASES = 36, 1000, 4
"""The bases in the order of the files: A, G, C, T, so that base b pairs with 3 − b."""

_WIDTH = 10
_REACH = 400
"""The largest distance from the middle, in bases, of a motif that counts."""

_SPELT = 0.93
"""Probability that a base of a motif is the one that the motif asks for."""


def _genome() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each mark's motif (36, 10), its rarity and its dependence on openness, both (36,)."""
    rng = np.random.default_rng(36)
    return rng.integers(0, BASES, (MARKS, _WIDTH)), rng.uniform(-2.5, -1.0, MARKS), rng.uniform(0.2, 1.5, MARKS)


_MOTIFS, _RARITY, _DEPENDENCE = _genome()


def simulate(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One-hot sequences (n, 1000, 4) uint8 and their marks (n, 36) uint8."""
    openness = rng.standard_normal((n, 1))
    marks = rng.random((n, MARKS)) < 1 / (1 + np.exp(-(_RARITY + _DEPENDENCE * openness)))
    strong = (0.42 + 0.06 * openness).clip(0.25, 0.65)  # share of G and C
    bases = np.where(
        rng.random((n, LENGTH)) < strong, rng.integers(1, 3, (n, LENGTH)), 3 * rng.integers(0, 2, (n, LENGTH))
    )
    for mark, motif in enumerate(_MOTIFS):
        sites = np.where(marks[:, mark], 2 + rng.poisson(1, n), 0)
        near = rng.integers(-_REACH, _REACH, sites.sum()) + LENGTH // 2
        _plant(bases, motif, np.repeat(np.arange(n), sites), near, rng)
        stray = np.flatnonzero(rng.random(n) < 0.05)
        _plant(bases, motif, stray, rng.integers(0, LENGTH - _WIDTH, len(stray)), rng)
    return (bases[:, :, None] == np.arange(BASES)).astype(np.uint8), marks.astype(np.uint8)


def _plant(
    bases: np.ndarray, motif: np.ndarray, rows: np.ndarray, starts: np.ndarray, rng: np.random.Generator
) -> None:
    """Write the motif into `bases` (n, 1000), once for each of the `rows`, from its start, on either strand."""
    strands = np.stack([motif, 3 - motif[::-1]])[rng.integers(0, 2, len(rows))]
    spelt = np.where(rng.random(strands.shape) < _SPELT, strands, rng.integers(0, BASES, strands.shape))
    bases[rows[:, None], starts[:, None] + np.arange(_WIDTH)] = spelt
