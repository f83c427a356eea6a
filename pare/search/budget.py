"""The budget of a sweep: caps and spending in hours, GPU-hours and dollars, over all its sessions."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pare import files
from pare.errors import DataError

_PERSIST = 5.0
"""Seconds between two writes of the amounts spent, the most that a killed driver can lose."""


@dataclass(frozen=True)
class Amounts:
    """Wall-clock hours, GPU-hours of the trials' slots, and dollars of all nodes."""

    hours: float = 0.0
    gpu_hours: float = 0.0
    usd: float = 0.0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.hours + other.hours, self.gpu_hours + other.gpu_hours, self.usd + other.usd)


NOTHING = Amounts()
UNLIMITED = Amounts(math.inf, math.inf, math.inf)

OPTIONS: Mapping[str, str] = {"hours": "--max-hours", "gpu_hours": "--max-gpu-hours", "usd": "--max-usd"}


class Budget:
    """Meters what a sweep spends against its hard caps.

    `price` returns the current dollars per hour of all nodes. `path` stores the amounts spent over all sessions.

    Raises:
        DataError: the file of an earlier session is damaged.
    """

    def __init__(
        self,
        path: Path,
        caps: Amounts = UNLIMITED,
        price: Callable[[], float] = lambda: 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.caps = caps
        self._path, self._price, self._clock = path, price, clock
        self.spent = _load(path)
        self._before = self._written = clock()

    def tick(self, gpus: float) -> None:
        """Add the time since the last call, during which `gpus` GPUs were held."""
        now = self._clock()
        hours = (now - self._before) / 3600
        self._before = now
        self.spent += Amounts(hours, hours * gpus, hours * self._price())
        if now - self._written >= _PERSIST:
            self.persist()

    def persist(self) -> None:
        """Write the amounts spent to disk."""
        self._written = self._clock()
        files.write_text(self._path, json.dumps(asdict(self.spent)))

    def reached(self, reserve: Amounts = NOTHING, since: Amounts = NOTHING, sharers: int = 1) -> str:
        """Return the cap that is reached, in words; empty if none is.

        `reserve` is subtracted from what was left at `since`, and only one `sharers`-th of the rest may be used.
        """
        for name, cap in vars(self.caps).items():
            spent, before = getattr(self.spent, name), getattr(since, name)
            if spent >= before + (cap - before - getattr(reserve, name)) / sharers:
                return f"{OPTIONS[name]} {cap:g} ({spent:.3g} spent)"
        return ""

    def describe(self) -> str:
        """Describe the amounts spent, each with its cap if it has one; leave out GPU-hours and dollars that are 0."""
        texts = []
        for name, form in (("hours", "{} h"), ("gpu_hours", "{} GPU-hours"), ("usd", "${}")):
            spent, cap = getattr(self.spent, name), getattr(self.caps, name)
            if cap < math.inf:
                texts.append(f"{form.format(f'{spent:.2f}')} of {cap:g}")
            elif spent and name != "hours":
                texts.append(form.format(f"{spent:.2f}"))
        return ", ".join(texts)

    def price(self) -> float:
        """Return the current dollars per hour of all nodes."""
        return self._price()


def _load(path: Path) -> Amounts:
    if not path.exists():
        return NOTHING
    try:
        return Amounts(**{name: float(value) for name, value in json.loads(path.read_text()).items()})
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is damaged ({error}): remove it to count from nothing, or start with --fresh"
        ) from None
