"""What the parts of a report share: a trial as it is told to tables, TensorBoard, progress and leaderboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from pare.tasks.task import Provenance

State = Literal["running", "complete", "pruned", "failed"]
Purpose = Literal["search", "confirm"]


@dataclass
class Record:
    """One trial, from its first minute to its end. Its observers see it change; they do not change it."""

    task: str
    trial: str
    """Unique within its task: `pare-0003`, or `confirm-pare-1` for the first seed of a confirmation."""
    method: str
    purpose: Purpose
    seed: int
    provenance: Provenance
    body: str
    """`random` or `pretrained`."""
    config: Mapping[str, Any]
    """`Run.flat()`."""
    started: datetime
    ended: datetime | None = None
    state: State = "running"
    why: str = ""
    """Of a failed trial: the reason."""
    epochs: int = 0
    objective: float | None = None
    """Best validation metric so far; its direction is the task's."""
    test: float | None = None
    """Test metric; of confirmation runs only, measured once."""
    seconds: float = 0.0
    """Spent in training and validation."""
    gpu_hours: float = 0.0
    searched: Mapping[str, Any] = field(default_factory=dict)
    """The hyperparameters that were searched for it (dotted names), a subset of `config`."""


class Observer(Protocol):
    """Told of every trial of a sweep as it happens, in the driver. Figures are those of `pare.training.loop.Report`."""

    def begin(self, record: Record) -> None: ...
    def epoch(self, record: Record, figures: Mapping[str, float]) -> None: ...
    def end(self, record: Record) -> None: ...
