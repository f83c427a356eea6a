"""Forward and backward pass of one part of a batch, which adds to the gradients and returns sums of figures."""

from __future__ import annotations

import contextlib
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from pare.config import Precision
from pare.method.objective import Losses, Mixing
from pare.training.distributed import DistributedContext
from pare.training.prefetch import Batch

Sums = dict[str, Tensor]
"""Figures of a part by name, summed over its samples: scalar tensors, valid until the next part."""


class Inputs(NamedTuple):
    """Inputs of a pass on the device: samples and, if patches are replaced, source samples, k and noise.

    `rows` are the mixed rows, None if all are mixed.
    """

    x: Tensor
    y: Tensor
    source_x: Tensor | None = None
    source_y: Tensor | None = None
    k: Tensor | None = None
    noise_target: Tensor | None = None
    noise_source: Tensor | None = None
    rows: Tensor | None = None

    @classmethod
    def of(cls, batch: Batch, k: int, noise: tuple[Tensor, Tensor] | None, mixed: np.ndarray | None = None) -> Inputs:
        """Build the inputs of a part with `k` patches replaced in rows `mixed` (None: all); k = 0 takes no source."""
        if k == 0 or batch.source_x is None or not len(batch.source_x):
            return cls(batch.x, batch.y)
        rows = None
        if mixed is not None and len(mixed) < len(batch.x):
            rows = torch.from_numpy(mixed).to(batch.x.device, non_blocking=True)
            noise = None if noise is None else (noise[0][rows], noise[1][rows])
        # Filling on the device does not wait, and a k that is a tensor does not recompile.
        k_on_device = torch.full((), k, device=batch.x.device)
        target, source = noise or (None, None)
        return cls(*batch, k_on_device, target, source, rows)

    @property
    def mixing(self) -> Mixing | None:
        if self.source_x is None or self.source_y is None or self.k is None:
            return None
        noise = None
        if self.noise_target is not None and self.noise_source is not None:
            noise = (self.noise_target, self.noise_source)
        return Mixing(self.source_x, self.source_y, self.k, noise, self.rows)


class Passes(Protocol):
    """Adds the gradients of a part's loss to those of the parameters; `last` marks the last part of an update."""

    def __call__(self, inputs: Inputs, last: bool) -> Sums: ...


class EagerPasses:
    """Eager passes; several workers exchange gradients with the last part of an update."""

    def __init__(
        self, module: nn.Module, tokens: int, scale: float, precision: Precision, world: DistributedContext
    ) -> None:
        self._module, self._tokens, self._scale, self._precision, self._world = module, tokens, scale, precision, world

    def __call__(self, inputs: Inputs, last: bool) -> Sums:
        with self._world.synchronised(self._module, last), autocast(self._precision, inputs.x.device):
            losses: Losses = self._module(inputs.x, inputs.y, inputs.mixing)
            (losses.total.sum() * self._scale).backward()
        return sums(losses, inputs.k, self._tokens)


def working_type(precision: Precision, device: torch.device) -> torch.dtype | None:
    """Return the type in which a run of this precision multiplies; None without autocast."""
    capable = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if precision == "bf16" or (precision == "auto" and capable) else None


def autocast(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Return the autocast context of a run of this precision."""
    dtype = working_type(precision, device)
    return contextlib.nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def sums(losses: Losses, k: Tensor | None, tokens: int) -> Sums:
    """Sum the figures of a part; for methods that replace patches, also the share k / N, called `replaced`."""
    named = {"loss": losses.total.detach(), **losses.watched}
    if "lambda" in named:
        share = torch.zeros_like(named["lambda"])
        named["replaced"] = share if k is None else share + k / tokens
    return {name: values.float().sum() for name, values in named.items()}
