"""The workers of a run: the rank of this process and the communication between workers."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class DistributedContext:
    """The `rank` of this process among `size` workers, and the device it computes on."""

    rank: int
    size: int
    device: torch.device

    @classmethod
    def current(cls) -> DistributedContext:
        """Read the context from torch.distributed; without it, the world has size 1."""
        grouped = dist.is_available() and dist.is_initialized()
        rank, size = (dist.get_rank(), dist.get_world_size()) if grouped else (0, 1)
        if not torch.cuda.is_available():
            return cls(rank, size, torch.device("cpu"))
        local = int(os.environ.get("LOCAL_RANK", 0)) if grouped else 0
        return cls(rank, size, torch.device("cuda", local % torch.cuda.device_count()))

    @property
    def is_main(self) -> bool:
        """Whether this process reports and writes for all."""
        return self.rank == 0

    def wrap(self, module: nn.Module, *, some_unused: bool) -> nn.Module:
        """Wrap a module to average gradients over workers; `some_unused`: some parameters may get no gradient."""
        if self.size == 1:
            return module
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=devices, find_unused_parameters=some_unused)

    def gather(self, array: np.ndarray) -> np.ndarray | None:
        """Concatenate every worker's array along the first axis on rank 0; return None elsewhere."""
        if self.size == 1:
            return array
        parts: list[Any] | None = [None] * self.size if self.is_main else None
        dist.gather_object(array, parts)
        return None if parts is None else np.concatenate(parts)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over workers, on every worker."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def broadcast(self, go_on: bool) -> bool:
        """Broadcast rank 0's decision to all workers."""
        if self.size == 1:
            return go_on
        word = torch.tensor([float(go_on and self.is_main)], device=self.device)
        return bool(self.sum(word).item())

    def synchronised(self, module: nn.Module, last: bool) -> contextlib.AbstractContextManager[object]:
        """Context in which workers exchange gradients only with the last accumulated part of an update."""
        if isinstance(module, DistributedDataParallel) and not last:
            return module.no_sync()
        return contextlib.nullcontext()
