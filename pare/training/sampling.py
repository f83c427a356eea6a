"""The order of samples: a pure function of seed, epoch and step, for any number of workers.

Every random number of a run comes from here, keyed by its purpose. So a resumed run continues exactly as it would have
without the interruption, and a batch split over workers has the same samples and noise as the whole batch on one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pare.errors import RequestError
from pare.method.replacement import gumbel

# Purposes of the streams of random numbers; changing a value changes the results of every run.
_TARGET, _SOURCE, _NOISE, _DROPOUT, _AUGMENT, _ALIGNMENT, _SOURCE_HEAD = 1, 2, 3, 4, 5, 6, 7


def _key(*numbers: int) -> int:
    """Make one seed for torch (63 bits) from the numbers that identify a stream."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def alignment(seed: int) -> np.random.Generator:
    """Return the random numbers of a run's alignment stage."""
    return np.random.default_rng((seed, _ALIGNMENT))


def source_head(seed: int) -> np.random.Generator:
    """Return the random numbers for fitting a run's source predictor."""
    return np.random.default_rng((seed, _SOURCE_HEAD))


class Part(NamedTuple):
    """Samples of one forward pass: this worker's `rows` of the global batch.

    `mixed` are the indices within the part of the samples in the mixed pass; `source` has one sample for each.
    """

    target: np.ndarray
    source: np.ndarray
    rows: slice
    mixed: np.ndarray


@dataclass(frozen=True)
class Order:
    """The order of a run: `samples` target and `sources` source samples, in batches of `batch` over `workers`."""

    seed: int
    samples: int
    sources: int
    batch: int
    accumulate: int = 1
    rank: int = 0
    workers: int = 1
    mix_share: float = 1.0
    """Share of each batch that the mixed pass sees."""

    def __post_init__(self) -> None:
        if self.size < self.workers * self.accumulate:
            raise RequestError(
                f"batch of {self.size} over {self.workers} workers in {self.accumulate} parts each: "
                "need at least one sample a part"
            )
        smallest = self.size // (self.workers * self.accumulate)
        if self.mix_share < 1 and smallest * self.mix_share < 1:
            raise RequestError(
                f"mix_share is {self.mix_share:g}: of a part of {smallest} samples that mixes none; "
                "give a larger share, or a larger batch"
            )

    @property
    def size(self) -> int:
        """Samples per update: the batch, or the whole training set if that is smaller."""
        return min(self.batch, self.samples)

    @property
    def steps(self) -> int:
        """Updates per epoch. Every batch is whole: an epoch leaves out the rest, which shuffling changes every time."""
        return self.samples // self.size

    def epoch(self, epoch: int) -> Iterator[list[Part]]:
        """Yield, for each update of an epoch, the parts that this worker computes in turn."""
        target = np.random.default_rng((self.seed, _TARGET, epoch)).permutation(self.samples)
        source = np.random.default_rng((self.seed, _SOURCE, epoch)).integers(self.sources, size=len(target))
        for step in range(self.steps):
            first = step * self.size
            parts = []
            for rows in self._rows():
                where = slice(first + rows.start, first + rows.stop)
                mixed = self._mixed(rows)
                parts.append(Part(target[where], source[where][mixed], rows, mixed))
            yield parts

    def _mixed(self, rows: slice) -> np.ndarray:
        """Return the mixed rows of a part: at least one, spread evenly over the batch however it is split."""
        seen = np.ceil(np.arange(rows.start, rows.stop + 1) * self.mix_share)
        return np.flatnonzero(seen[1:] > seen[:-1])

    def _rows(self) -> list[slice]:
        """Return this worker's rows of a batch, in `accumulate` parts of nearly equal size."""
        edges = np.linspace(0, self.size, self.workers * self.accumulate + 1).round().astype(int).tolist()
        own = edges[self.rank * self.accumulate : (self.rank + 1) * self.accumulate + 1]
        return [slice(a, b) for a, b in pairwise(own) if b > a]

    def noise(self, step: int, rows: slice, shape: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
        """Draw standard Gumbel noise (rows, N) and (rows, S) of update `step` of the run, `shape` being (N, S)."""
        generator = torch.Generator(device).manual_seed(_key(self.seed, _NOISE, step))
        uniform = torch.rand(self.size, sum(shape), generator=generator, device=device)[rows]
        target, source = gumbel(uniform).split(shape, dim=1)
        return target, source

    def sample_seeds(self, epoch: int, samples: np.ndarray) -> np.ndarray:
        """Return one seed (B,) uint64 for each sample's augmentation in an epoch, independent of its batch."""
        key = np.uint64(_key(self.seed, _AUGMENT, epoch))
        # The finaliser of splitmix64 (Steele et al. 2014) mixes well and is vectorised over the batch.
        with np.errstate(over="ignore"):
            z = key + (samples.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))

    def dropout_seed(self, step: int) -> int:
        """Return the seed of torch's global random state (dropout, drop path) in an update; each worker has its own."""
        return _key(self.seed, _DROPOUT, step, self.rank)
