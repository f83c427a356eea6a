"""Helpers of the blocks of all bodies: in half precision they launch fewer kernels and read memory less often."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_log = logging.getLogger(__name__)


def working_type(x: Tensor) -> torch.dtype:
    """Return the type in which products of `x` are computed: that of autocast where it is on."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def normalised(norm: nn.LayerNorm, x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return `norm(x)` as `dtype`; unlike autocast, do not cast an `x` of that type to fp32 and back."""
    if x.dtype != dtype:
        return norm(x).to(dtype)
    weight, bias = norm.weight.to(dtype), norm.bias.to(dtype)
    with torch.autocast(x.device.type, enabled=False):
        # Means and variances are in fp32 inside.
        return F.layer_norm(x, norm.normalized_shape, weight, bias, norm.eps)


def projected(projections: Sequence[nn.Module], x: Tensor) -> Sequence[Tensor]:
    """Return each projection of `x`; in half precision, compute those of plain layers as one product."""
    plain = [p for p in projections if type(p) is nn.Linear and p.bias is not None]
    if x.dtype == torch.float32 or len(plain) < len(projections):
        return [project(x) for project in projections]
    weight, bias = torch.cat([p.weight for p in plain]), torch.cat([p.bias for p in plain])
    return F.linear(x, weight, bias).split([p.out_features for p in plain], dim=-1)


def compiled(block: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Compile a block, once for each kind of its arguments; where that fails, warn once and run the block as it is."""
    from torch._dynamo.exc import TorchDynamoException  # a second of imports

    run = torch.compile(block, dynamic=False)

    def attempt(*arguments: Any) -> Tensor:
        nonlocal run
        try:
            return run(*arguments)
        except TorchDynamoException as error:
            why = str(error).strip().splitlines()[0]
            _log.warning("the blocks are not compiled: %s", why)
            run = block
        return block(*arguments)

    return attempt
