"""Random numbers for augmentation: a function of each sample's seed, so that they do not depend on its batch."""

import numpy as np


def uniform(seeds: np.ndarray, count: int) -> np.ndarray:
    """`count` numbers in [0, 1) for each of the seeds (B,) uint64: (B, count) float64."""
    # splitmix64 (Steele et al. 2014), its state being the seed and its steps the columns.
    with np.errstate(over="ignore"):
        z = seeds[:, None] + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
