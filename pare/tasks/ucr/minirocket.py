"""MiniRocket (Dempster, Schmidt & Webb, KDD 2021, arXiv 2012.08791): random convolutional features of time series.

A feature is the share of a series' places where its convolution with a kernel exceeds a bias. The 84 kernels have nine
weights, three of them 2 and six -1; they are dilated, and biases are quantiles of the convolutions of training series.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

_KERNELS = np.array(list(combinations(range(9), 3)))
"""Places of the three weights of 2 in each kernel: (84, 3)."""

_FEATURES, _DILATIONS = 10_000, 32
"""Features in all, about, and most dilations of a kernel."""

_BLOCK = 2**14
"""Values of series that are convolved at a time, so that they stay in a processor's cache."""


@dataclass(frozen=True)
class Kernels:
    """Dilations, and the biases of each: (84, features of a kernel with this dilation) float32."""

    dilations: tuple[int, ...]
    biases: tuple[np.ndarray, ...]


def fit(x: np.ndarray, seed: int = 0) -> Kernels:
    """Choose dilations for series (n, length), 9 values or more, and biases from series drawn at random."""
    rng = np.random.default_rng(seed)
    each = _FEATURES // len(_KERNELS)
    count = min(each, _DILATIONS)
    exponents = np.linspace(0, np.log2((x.shape[1] - 1) / 8), count)
    dilations, repeats = np.unique((2**exponents).astype(int), return_counts=True)
    shares = (repeats * (each / count)).astype(int)
    shares[: each - shares.sum()] += 1
    # A low-discrepancy sequence: multiples of the golden ratio.
    quantiles = (np.arange(1, len(_KERNELS) * each + 1) * ((np.sqrt(5) + 1) / 2)) % 1
    ends = len(_KERNELS) * np.cumsum(shares)
    biases = []
    for dilation, share, end in zip(dilations, shares, ends, strict=True):
        own = quantiles[end - len(_KERNELS) * share : end].reshape(-1, share)
        drawn = _shifted(x[rng.integers(len(x), size=len(_KERNELS))], dilation)
        found = [
            np.quantile(_convolved(drawn[:, [row]], kernel), own[row], axis=None) for row, kernel in enumerate(_KERNELS)
        ]
        biases.append(np.array(found, dtype=np.float32))
    return Kernels(tuple(dilations.tolist()), tuple(biases))


def transform(x: np.ndarray, kernels: Kernels) -> np.ndarray:
    """Return the features of series (n, length): (n, features) float32."""
    size = max(1, _BLOCK // x.shape[1])
    return np.concatenate([_features(x[start : start + size], kernels) for start in range(0, len(x), size)])


def _features(x: np.ndarray, kernels: Kernels) -> np.ndarray:
    parts = []
    for place, (dilation, biases) in enumerate(zip(kernels.dilations, kernels.biases, strict=True)):
        shifted = _shifted(x, dilation)
        for number, kernel in enumerate(_KERNELS):
            convolved = _convolved(shifted, kernel)
            if (place + number) % 2:  # every other one only where the kernel is within the series
                convolved = convolved[:, 4 * dilation : -4 * dilation]
            above = np.packbits(convolved[:, None] > biases[number, :, None], axis=-1)
            parts.append(np.bitwise_count(above).sum(-1, dtype=np.int32) / np.float32(convolved.shape[1]))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _shifted(x: np.ndarray, dilation: int) -> np.ndarray:
    """Return what each of nine weights sees of series (n, length), zeros beyond their ends: (9, n, length)."""
    padded = np.pad(x, [(0, 0), (4 * dilation, 4 * dilation)])
    return np.stack([padded[:, place * dilation :][:, : x.shape[1]] for place in range(9)])


def _convolved(shifted: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return 3 * shifted[kernel].sum(0) - shifted.sum(0)
