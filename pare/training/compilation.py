"""Whether a run compiles the blocks of its body: where it is asked to, or is long enough to earn the wait back.

Measured on one H100: Swin-B (87 million parameters), `nft`, bf16, batch 128. With its deep stage compiled a step took
72.7 ms instead of 82.0, and the first was done after 15.5 s; with every stage compiled 63.5 ms instead of 79.2, after
48.2 s (6.4 s once the compiler's cache on the disk had them). So the deep stage pays from 1,700 such
steps on, every stage from 5,000. Other batches and sizes of the body are assumed to gain in proportion, and to wait as
long. Other kinds of bodies were not measured, nor were several workers, so only `Run.compile` compiles those.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from pare.config import Run
from pare.method.bodies.base import Body
from pare.method.bodies.swin import SwinBody
from pare.training.distributed import DistributedContext

_log = logging.getLogger(__name__)


class Choice(NamedTuple):
    """What is compiled, and what that was measured to bring."""

    every: bool
    """Whether every stage is, or the deep ones."""
    wait: float
    """Seconds until the first step is done."""
    gain: float
    """Seconds that a step gains, per sample and parameter of the body."""

    def saved(self, work: float) -> float:
        """Return the seconds that a run saves, of so many steps x samples x parameters."""
        return work * self.gain - self.wait


_MEASURED = 128 * 87e6
"""Samples x parameters of the step that was measured."""

CHOICES = (
    Choice(every=False, wait=15.5, gain=(81.95e-3 - 72.74e-3) / _MEASURED),
    Choice(every=True, wait=48.2, gain=(79.24e-3 - 63.48e-3) / _MEASURED),
)


def compile_blocks(body: Body, run: Run, steps: int, world: DistributedContext) -> bool:
    """Compile the blocks of a body for a run of `steps` steps, if it is asked for or pays; return whether it did."""
    alone = world.device.type == "cuda" and world.size == 1 and isinstance(body, SwinBody)
    size = sum(parameter.numel() for parameter in body.parameters())
    work = steps * run.optimizer.batch * size
    best = max(CHOICES, key=lambda choice: choice.saved(work))
    wanted = run.compile or (run.compile_long and alone and best.saved(work) > 0)
    done = wanted and body.compile_blocks(best.every)
    if run.compile and not done:
        _log.warning(
            "the blocks of this body are not compiled: it cannot be (docs/bodies.md), or not with tuning.drop_path"
        )
    return bool(done)
