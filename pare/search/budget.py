"""What a sweep may spend and what it has spent: hours, GPU-hours and dollars, over all its sessions."""

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
"""Seconds between two writings of what was spent: a killed driver forgets at most so many."""


@dataclass(frozen=True)
class Amounts:
    """Hours by the clock, GPU-hours of the trials' slots, and dollars of all nodes."""

    hours: float = 0.0
    gpu_hours: float = 0.0
    usd: float = 0.0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.hours + other.hours, self.gpu_hours + other.gpu_hours, self.usd + other.usd)


NOTHING = Amounts()
UNLIMITED = Amounts(math.inf, math.inf, math.inf)

OPTIONS: Mapping[str, str] = {"hours": "--max-hours", "gpu_hours": "--max-gpu-hours", "usd": "--max-usd"}


class Budget:
    """Hard caps, and the meter that runs against them.

    `price` says what an hour of all nodes costs now, in dollars. What was spent lies in `path`; earlier sessions count.

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
        """Count the time since the last call, at which `gpus` GPUs were held."""
        now = self._clock()
        hours = (now - self._before) / 3600
        self._before = now
        self.spent += Amounts(hours, hours * gpus, hours * self._price())
        if now - self._written >= _PERSIST:
            self.persist()

    def persist(self) -> None:
        """Write down what was spent."""
        self._written = self._clock()
        files.write_text(self._path, json.dumps(asdict(self.spent)))

    def reached(self, reserve: Amounts = NOTHING, since: Amounts = NOTHING, sharers: int = 1) -> str:
        """The cap that is reached, in words; empty while none is.

        `reserve` is set aside of what was left at `since`, and only one `sharers`-th of the rest may be used.
        """
        for name, cap in vars(self.caps).items():
            spent, before = getattr(self.spent, name), getattr(since, name)
            if spent >= before + (cap - before - getattr(reserve, name)) / sharers:
                return f"{OPTIONS[name]} {cap:g} ({spent:.3g} spent)"
        return ""

    def describe(self) -> str:
        """What was spent, of what there is where there is a cap; nothing of what costs nothing."""
        texts = []
        for name, form in (("hours", "{} h"), ("gpu_hours", "{} GPU-hours"), ("usd", "${}")):
            spent, cap = getattr(self.spent, name), getattr(self.caps, name)
            if cap < math.inf:
                texts.append(f"{form.format(f'{spent:.2f}')} of {cap:g}")
            elif spent and name != "hours":
                texts.append(form.format(f"{spent:.2f}"))
        return ", ".join(texts)

    def price(self) -> float:
        """Dollars of all nodes for an hour, now."""
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
