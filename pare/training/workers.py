"""What a run computes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Workers:
    """What a run computes on: `count` workers with so many CPUs and GPUs each; GPUs may be a fraction."""

    count: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
