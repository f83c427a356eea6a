"""A sweep: all tasks' trials, then the confirmation of the best, then the once-only test. No Ray in it.

Whoever runs trials asks for the `next` job, `report`s its epochs and says when it has `end`ed. Trials of all tasks
share the slots in turn, so that none stands idle while one task's last trial runs. When a task's trials have all ended,
the best configuration of each method is trained again on several seeds, and only there the test split is opened.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pare.config import MethodName, Run
from pare.method.body import is_pretrained
from pare.method.methods import METHODS
from pare.reporting.records import ALSO, Observer, Purpose, Record
from pare.search.study import Study
from pare.tasks.store import Prepared
from pare.tasks.task import Task


@dataclass
class Job:
    """One run to carry out. `folder` is its own, for checkpoints and, of a confirmation, the model."""

    id: str
    """Unique in the sweep: `ecg/pare-0003`."""
    run: Run
    purpose: Purpose
    folder: Path
    record: Record
    number: int | None
    """Of its trial in the study; None for a confirmation."""
    failed: str = ""


@dataclass
class TaskPlan:
    """One task of a sweep: its data, its study, and the seeds of its confirmation."""

    task: Task
    data: Prepared
    study: Study
    seeds: Sequence[int]
    confirmed: set[tuple[str, int]] = field(default_factory=set)
    """(method, seed) that an earlier sitting has confirmed."""
    waiting: list[tuple[MethodName, int, Run]] | None = None
    """Confirmations not yet given out; None until the search is over."""


class Sweep:
    """The jobs of a request, in order. `failures` counts confirmations that failed: those should not."""

    def __init__(
        self,
        plans: Sequence[TaskPlan],
        out: Path,
        observers: Sequence[Observer],
        concurrent: int,
        gpus: float,
    ) -> None:
        self._plans = {plan.task.name: plan for plan in plans}
        self._turn = list(self._plans)
        self._out, self._observers, self._concurrent, self._gpus = out, observers, concurrent, gpus
        self._jobs: dict[str, Job] = {}
        self.failures = 0

    @property
    def finished(self) -> bool:
        """Whether every job has been given out and has ended."""
        return not self._jobs and all(
            plan.study.over and not self._confirmations(plan) for plan in self._plans.values()
        )

    def next(self) -> Job | None:
        """The next job, or None while there is none: all slots are taken, or a task waits for its last trial."""
        if len(self._jobs) >= self._concurrent:
            return None
        for name in list(self._turn):
            plan = self._plans[name]
            job = self._trial(plan) or self._confirmation(plan)
            if job is not None:
                self._turn.remove(name)
                self._turn.append(name)
                self._jobs[job.id] = job
                for observer in self._observers:
                    observer.begin(job.record)
                return job
        return None

    def report(self, id: str, figures: Mapping[str, Any]) -> bool:  # noqa: A002
        """Take in the figures of an epoch, or the test of a confirmation; returns whether the job is to go on."""
        job = self._jobs[id]
        if "test_metric" in figures:
            job.record.test = float(figures["test_metric"])
            job.record.also = {
                name.removeprefix(ALSO): float(value) for name, value in figures.items() if name.startswith(ALSO)
            }
            return True
        record = job.record
        record.epochs, record.objective = int(figures["epoch"]), float(figures["objective"])
        record.seconds = float(figures["seconds"])
        record.gpu_hours = record.seconds * self._gpus / 3600
        for observer in self._observers:
            observer.epoch(record, figures)
        if job.number is None:
            return True
        go_on = self._plans[record.task].study.report(job.number, record.epochs, record.objective)
        return go_on or record.epochs == job.run.epochs

    def end(self, id: str, why: str = "") -> None:  # noqa: A002
        """A job is over: run to its end, cut short, or failed for the reason given."""
        job = self._jobs.pop(id)
        record, study = job.record, self._plans[job.record.task].study
        record.ended, record.why = datetime.now(UTC), why
        whole = record.epochs == job.run.epochs and record.objective is not None
        record.state = "failed" if why else "complete" if whole else "pruned"
        if job.number is None:
            self.failures += record.state != "complete"
        elif why:
            study.fail(job.number, why)
        elif whole:
            study.complete(job.number, float(record.objective or 0.0))
        else:
            study.prune(job.number)
        if job.purpose == "search":
            shutil.rmtree(job.folder, ignore_errors=True)
        for observer in self._observers:
            observer.end(record)

    def _trial(self, plan: TaskPlan) -> Job | None:
        asked = plan.study.ask()
        if asked is None:
            return None
        return self._job(plan, f"{asked.method}-{asked.number:04d}", asked.run, "search", asked.number, asked.searched)

    def _confirmation(self, plan: TaskPlan) -> Job | None:
        if not plan.study.over:
            return None
        waiting = self._confirmations(plan)
        if not waiting:
            return None
        method, seed, run = waiting.pop(0)
        return self._job(plan, f"confirm-{method}-{seed}", run.replace({"seed": seed}), "confirm", None, {})

    def _confirmations(self, plan: TaskPlan) -> list[tuple[MethodName, int, Run]]:
        if plan.waiting is None:
            best = [(method, plan.study.best(method)) for method in plan.study.methods]
            plan.waiting = [
                (method, seed, asked.run)
                for seed in plan.seeds
                for method, asked in best
                if asked is not None and (method, seed) not in plan.confirmed
            ]
        return plan.waiting

    def _job(
        self, plan: TaskPlan, trial: str, run: Run, purpose: Purpose, number: int | None, searched: Mapping[str, Any]
    ) -> Job:
        task = plan.task.name
        pretrained = METHODS[run.method].pretrained and is_pretrained(run.body)
        record = Record(
            task=task,
            trial=trial,
            method=run.method,
            purpose=purpose,
            seed=run.seed,
            provenance=plan.data.provenance,
            body="pretrained" if pretrained else "random",
            config=run.flat(),
            started=datetime.now(UTC),
            searched=searched,
        )
        return Job(f"{task}/{trial}", run, purpose, self._out / task / "running" / trial, record, number)
