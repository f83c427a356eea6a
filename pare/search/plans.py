"""The state of a sweep: its jobs, the plan of each task, and the cost of epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pare.config import MethodName, Run
from pare.data.store import Prepared
from pare.data.task import Task
from pare.reporting.records import Purpose, Record
from pare.search.budget import Amounts
from pare.search.finals import ENTRANTS, Entrant, Finals
from pare.search.study.study import Study


@dataclass
class Job:
    """One run of the sweep. `folder` holds its checkpoints and, for a confirmation, its model."""

    id: str
    """Identifier, unique in the sweep: `ecg/pare-0003`."""
    run: Run
    purpose: Purpose
    folder: Path
    record: Record
    number: int | None
    """Number of its trial in the study; None after the search."""
    cut: str = ""
    """The cap of the budget that ended it early."""


@dataclass
class TaskPlan:
    """One task of a sweep: its data, its study, and the seeds of its confirmation."""

    task: Task
    data: Prepared
    study: Study
    seeds: Sequence[int]
    results: Mapping[tuple[Purpose, Run], float] = field(default_factory=dict)
    """Validation metrics of the runs that earlier sessions completed after the search."""
    finals: Finals | None = None
    """Runs after the search; None until the search is over."""
    began: Amounts | None = None
    """Amounts spent by the sweep when this session's first trial of the task began."""
    stopped: str = ""
    """The cap that ended its search."""

    def after_search(self) -> Finals:
        """Return the finals of the task, whose search is over."""
        entrants: dict[MethodName, list[Entrant]] = {}
        published: dict[MethodName, Run] = {}
        for method in self.study.methods:
            trials = self.study.finalists(method, ENTRANTS)
            if not trials:
                continue
            run = published[method] = self.study.published(method).replace({"epochs": trials[0].run.epochs})
            entrants[method] = [Entrant(f"{trial.number:04d}", trial.run) for trial in trials]
            if len(trials) > 1 and run not in [entrant.run for entrant in entrants[method]]:
                entrants[method].append(Entrant("published", run))
        return Finals(entrants, published, self.seeds, self.task.metric.direction, self.results)


@dataclass
class EpochCost:
    """The measured cost of a method's epochs on a task."""

    seconds: float = 0.0
    epochs: int = 0

    @property
    def per_epoch(self) -> float:
        """Seconds per epoch; 0 before the first."""
        return self.seconds / self.epochs if self.epochs else 0.0
