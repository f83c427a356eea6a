"""In which order samples are seen: a pure function of seed, epoch and step, whatever the number of workers.

Every random number of a run comes from here, keyed by what it is for. So an interrupted run goes on exactly as it would
have, and a batch split over workers sees the same samples and the same noise as the whole batch on one.
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

# What a stream of random numbers is for; the values are part of what makes a run reproducible.
_TARGET, _SOURCE, _NOISE, _DROPOUT, _AUGMENT, _ALIGNMENT, _SOURCE_HEAD = 1, 2, 3, 4, 5, 6, 7


def _key(*numbers: int) -> int:
    """One seed for torch (63 bits) from the numbers that identify a stream."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def alignment(seed: int) -> np.random.Generator:
    """The random numbers of a run's alignment stage."""
    return np.random.default_rng((seed, _ALIGNMENT))


def source_head(seed: int) -> np.random.Generator:
    """The random numbers of the fit of a run's source predictor."""
    return np.random.default_rng((seed, _SOURCE_HEAD))


class Part(NamedTuple):
    """One forward pass: this worker's rows of the global batch, and which rows of it they are.

    `mixed` are those of them, counted within the part, that the mixed pass sees; each has its sample of the source.
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
        """Samples per update; smaller than asked for where the training set is."""
        return min(self.batch, self.samples)

    @property
    def steps(self) -> int:
        """Updates per epoch. Every batch is whole: what a shuffled epoch leaves over, another epoch sees."""
        return self.samples // self.size

    def epoch(self, epoch: int) -> Iterator[list[Part]]:
        """For each update of an epoch, the parts that this worker computes one after another."""
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
        """Which of a part's rows are mixed: spread evenly over the batch, however it is split, and at least one."""
        seen = np.ceil(np.arange(rows.start, rows.stop + 1) * self.mix_share)
        return np.flatnonzero(seen[1:] > seen[:-1])

    def _rows(self) -> list[slice]:
        """This worker's rows of a batch, in `accumulate` parts as even as can be."""
        edges = np.linspace(0, self.size, self.workers * self.accumulate + 1).round().astype(int).tolist()
        own = edges[self.rank * self.accumulate : (self.rank + 1) * self.accumulate + 1]
        return [slice(a, b) for a, b in pairwise(own) if b > a]

    def noise(self, step: int, rows: slice, shape: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
        """Standard Gumbel noise (rows, N) and (rows, S) of update `step` of the run, `shape` being (N, S)."""
        generator = torch.Generator(device).manual_seed(_key(self.seed, _NOISE, step))
        uniform = torch.rand(self.size, sum(shape), generator=generator, device=device)[rows]
        target, source = gumbel(uniform).split(shape, dim=1)
        return target, source

    def sample_seeds(self, epoch: int, samples: np.ndarray) -> np.ndarray:
        """One seed (B,) uint64 for each sample's augmentation in an epoch, whatever batch it comes in."""
        key = np.uint64(_key(self.seed, _AUGMENT, epoch))
        # The finaliser of splitmix64 (Steele et al. 2014): well mixed, and done for a whole batch at once.
        with np.errstate(over="ignore"):
            z = key + (samples.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))

    def dropout_seed(self, step: int) -> int:
        """Seed of torch's global random state in an update of the run: dropout's and drop path's, a worker its own."""
        return _key(self.seed, _DROPOUT, step, self.rank)
