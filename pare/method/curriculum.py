"""The curriculum: from easy (many source patches) to hard (none or few), as a pure function of progress."""

import math
from collections.abc import Callable

from pare.config import Curriculum, Family, Side

# Each family falls from 1 at t = 0 to 0 at t = 1; ρ interpolates between start and end by it.
_FALL: dict[Family, Callable[[float, int], float]] = {
    "linear": lambda t, _: 1 - t,
    "cosine": lambda t, _: (1 + math.cos(math.pi * t)) / 2,
    # e⁻⁵ᵗ, shifted and scaled to end at 0 exactly.
    "exponential": lambda t, _: (math.exp(-5 * t) - math.exp(-5)) / (1 - math.exp(-5)),
    "step": lambda t, plateaus: 1 - min(math.floor(t * plateaus), plateaus - 1) / (plateaus - 1),
    "constant": lambda _t, _plateaus: 1.0,
}


def share(curriculum: Curriculum, progress: float) -> float:
    """Return ρ(p), the share of patches to replace at `progress` = steps done / steps planned ∈ [0, 1].

    ρ falls from `start` at p = 0 to `end` at p = `until` and stays there; `constant` stays at `start`.
    """
    t = min(progress / curriculum.until, 1.0)
    fall = 1.0 if t <= 0 else _FALL[curriculum.family](t, curriculum.plateaus)
    return curriculum.end + (curriculum.start - curriculum.end) * fall


def patches(rho: float, target_tokens: int, source_tokens: int, counts: Side = "target") -> int:
    """Return k = round(N·ρ), at least 1 while ρ > 0, at most min(N, N_s); 0 exactly when ρ = 0.

    With `counts="source"` ρ is a share of the source's patches: k = round(N_s·ρ), within the same limits.
    """
    if rho <= 0:
        return 0
    counted = target_tokens if counts == "target" else source_tokens
    return min(max(round(counted * rho), 1), target_tokens, source_tokens)
