"""What a job tells the sweep: an epoch, the test of a confirmation, or that it failed.

Between processes these travel as mappings, as Ray Tune and the training loop's `report` have them; this is the one
module that knows their keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TEST, _ALSO = "test_metric", "also/"
_FAILED, _FULL = "failed", "full"


@dataclass(frozen=True)
class EpochReport:
    """The end of an epoch."""

    epoch: int
    objective: float
    """The best validation metric so far."""
    seconds: float
    """Spent in training and validation so far."""
    figures: Mapping[str, Any]
    """All figures of the epoch by name, these among them, and at some epochs arrays."""


@dataclass(frozen=True)
class TestReport:
    """The test of a confirmation: the task's metric, and its further ones by name."""

    __test__ = False  # for pytest: nothing to collect

    metric: float
    also: Mapping[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        """As a mapping, which `read` takes."""
        return {_TEST: self.metric, **{f"{_ALSO}{name}": value for name, value in self.also.items()}}


@dataclass(frozen=True)
class Failure:
    """Why a job cannot go on, which no retry would mend."""

    why: str
    disk_full: bool = False
    """Whether it was for want of disk space: that ends the sweep, and is no fault of the job's."""

    def result(self) -> dict[str, Any]:
        """As the last result of a trial of Ray Tune's."""
        return {"done": True, _FAILED: self.why, _FULL: self.disk_full}

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Failure | None:
        """What a last result says of a failure; None if it says nothing of one."""
        return cls(str(result[_FAILED]), bool(result.get(_FULL))) if _FAILED in result else None


def read(figures: Mapping[str, Any]) -> EpochReport | TestReport:
    """The report that a mapping holds."""
    if _TEST in figures:
        also = {name.removeprefix(_ALSO): float(value) for name, value in figures.items() if name.startswith(_ALSO)}
        return TestReport(float(figures[_TEST]), also)
    return EpochReport(int(figures["epoch"]), float(figures["objective"]), float(figures["seconds"]), figures)
