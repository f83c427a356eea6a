"""Whether a run compiles the blocks of its body: where it is asked to, or is long enough to earn the wait back.

Measured on one H200: Swin-B (87 million parameters), `nft`, bf16, batch 32. With compiled blocks the first step was
done after 13.9 s, and a step took 21.9 ms instead of 24.3. So such a run must have 5,800 steps. Other batches and sizes
of the body are assumed to gain in proportion, and to wait as long. Other kinds of bodies were not measured, nor were
several workers, so only `Run.compile` compiles those.
"""

from __future__ import annotations

import logging

from pare.config import Run
from pare.method.bodies.base import Body
from pare.method.bodies.swin import SwinBody
from pare.training.distributed import DistributedContext

_log = logging.getLogger(__name__)

WAIT = 13.9
"""Seconds until the first step with compiled blocks is done."""

GAIN = (24.3e-3 - 21.9e-3) / (32 * 87e6)
"""Seconds that a step gains, per sample and parameter of the body."""


def pays(steps: int, batch: int, parameters: int) -> bool:
    """Whether so many steps of `batch` samples through a body of so many parameters gain more than the wait."""
    return steps * batch * parameters * GAIN > WAIT


def compile_blocks(body: Body, run: Run, steps: int, world: DistributedContext) -> bool:
    """Compile the blocks of a body for a run of `steps` steps, if it is asked for or pays; return whether it did."""
    alone = world.device.type == "cuda" and world.size == 1 and isinstance(body, SwinBody)
    size = sum(parameter.numel() for parameter in body.parameters())
    wanted = run.compile or (run.compile_long and alone and pays(steps, run.optimizer.batch, size))
    done = wanted and body.compile_blocks()
    if run.compile and not done:
        _log.warning(
            "the blocks of this body are not compiled: it cannot be (docs/bodies.md), or not with tuning.drop_path"
        )
    return bool(done)
