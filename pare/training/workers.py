"""The workers of a run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Workers:
    """Resources of a run: `count` workers with `cpus` CPUs and `gpus` GPUs each; GPUs may be a fraction."""

    count: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
