"""The record of a trial, shared by tables, TensorBoard, progress and leaderboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from pare.data.task import Metric, Provenance, Task

State = Literal["running", "complete", "pruned", "failed"]
Purpose = Literal["search", "race", "confirm", "published"]
"""Purpose of a trial: the search, the chosen configuration on a fresh seed, or the published one on the same."""

PROVENANCE: Mapping[Provenance, str] = {
    "real": "the official files, or your own",
    "generated": "made from the published equations; not the official files",
    "simulated": "a stand-in of the same shape, never comparable with a paper",
}
"""Meaning of each provenance of data, as all reports word it."""


def describe(metric: Metric) -> str:
    """Name, unit and direction of a metric: `relative L2, lower is better`."""
    unit = f" [{metric.unit}]" if metric.unit else ""
    return f"{metric.name}{unit}, {'lower' if metric.direction == 'minimize' else 'higher'} is better"


@dataclass(frozen=True)
class Domain:
    """The values that a hyperparameter may take: an interval [low, high], or `choices`, all strings or all numbers."""

    low: float | None = None
    high: float | None = None
    choices: tuple[str | float | bool, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.choices) == (self.low is not None and self.high is not None):
            raise ValueError(f"{self}: give both low and high, or choices")
        if len({isinstance(choice, str) for choice in self.choices}) > 1:
            raise ValueError(f"{self}: give choices that are all strings or all numbers")

    def __or__(self, other: Domain) -> Domain:
        """The smallest domain that holds both; an interval and choices together are choices."""
        if self.low is not None and self.high is not None and other.low is not None and other.high is not None:
            return Domain(min(self.low, other.low), max(self.high, other.high))
        return Domain(choices=tuple(dict.fromkeys([*self._values(), *other._values()])))

    def _values(self) -> tuple[str | float | bool, ...]:
        return self.choices or tuple(end for end in (self.low, self.high) if end is not None)


@dataclass
class Record:
    """One trial, from its start to its end. Observers see it change, but do not change it."""

    target: Task
    """Task of the trial."""
    trial: str
    """Name, unique within its task: `pare-0003`, or `confirm-pare-1` for seed 1 of a confirmation."""
    method: str
    purpose: Purpose
    seed: int
    provenance: Provenance
    body: str
    """Weights of the body: `random` or `pretrained`."""
    config: Mapping[str, Any]
    """Settings of the run: `Run.flat()`."""
    started: datetime
    ended: datetime | None = None
    state: State = "running"
    why: str = ""
    """Reason of a failure, or the cap that cut the trial short."""
    epochs: int = 0
    objective: float | None = None
    """Best validation metric so far, in the task's direction."""
    test: float | None = None
    """Test metric, measured once, for confirmation runs only."""
    also: Mapping[str, float] = field(default_factory=dict)
    """The task's further test metrics by name."""
    seconds: float = 0.0
    """Seconds spent in training and validation."""
    gpu_hours: float = 0.0
    searched: Mapping[str, Any] = field(default_factory=dict)
    """Searched hyperparameters (dotted names), a subset of `config`."""
    continues: str = ""
    """Trial of the race whose epochs are this one's first, because it goes on from that one's checkpoint."""

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.target.name


class Observer(Protocol):
    """Receives trials' events as they happen, in the driver; `figures` are those of `pare.training.loop.Report`."""

    def begin(self, record: Record) -> None: ...
    def epoch(self, record: Record, figures: Mapping[str, Any]) -> None: ...
    def end(self, record: Record) -> None: ...
