"""Reports of a job to the sweep: an epoch, the test of a confirmation, or a failure.

Between processes they travel as mappings, the format of Ray Tune and of the training loop's `report`; only this
module knows the keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TEST, _ALSO = "test_metric", "also/"
_FAILED, _FULL = "failed", "full"


@dataclass(frozen=True)
class EpochReport:
    """The report at the end of an epoch."""

    epoch: int
    objective: float
    """Best validation metric so far."""
    seconds: float
    """Seconds spent in training and validation so far."""
    figures: Mapping[str, Any]
    """All figures of the epoch by name, including those above, and at some epochs arrays."""


@dataclass(frozen=True)
class TestReport:
    """The test of a confirmation: the task's metric, and its further metrics by name."""

    __test__ = False  # tells pytest not to collect it

    metric: float
    also: Mapping[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        """Convert the report to a mapping, which `read` parses."""
        return {_TEST: self.metric, **{f"{_ALSO}{name}": value for name, value in self.also.items()}}


@dataclass(frozen=True)
class Failure:
    """The reason why a job cannot go on, even after a retry."""

    why: str
    disk_full: bool = False
    """Whether the disk was full: that ends the sweep, and does not count against the job."""

    def result(self) -> dict[str, Any]:
        """Convert the failure to the last result of a Ray Tune trial."""
        return {"done": True, _FAILED: self.why, _FULL: self.disk_full}

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Failure | None:
        """Return the failure in a last result; None if there is none."""
        return cls(str(result[_FAILED]), bool(result.get(_FULL))) if _FAILED in result else None


def read(figures: Mapping[str, Any]) -> EpochReport | TestReport:
    """Parse a mapping into a report."""
    if _TEST in figures:
        also = {name.removeprefix(_ALSO): float(value) for name, value in figures.items() if name.startswith(_ALSO)}
        return TestReport(float(figures[_TEST]), also)
    return EpochReport(int(figures["epoch"]), float(figures["objective"]), float(figures["seconds"]), figures)
