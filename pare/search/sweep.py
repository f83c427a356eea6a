"""A sweep: chooses the next job and interprets its reports. It knows neither Ray nor the files of results.

An executor asks for the `next` job, `report`s its epochs and calls `end` after it; once its slots are running it lets
the sweep `settle` what could wait. Tasks come one after another, so that a later one can begin with what the earlier
ones found; while a task's last trials run, the next task fills the free slots.
When a task's trials have all ended, the best few of each method meet on fresh seeds, and only the winner's runs use the
test split (`finals.py`). The published configuration, if it does not win, is trained on the same seeds by validation
only: a choice that is no better than it on fresh seeds was luck.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pare.config import MethodName, Run
from pare.layout import SweepDir, folder_after_search
from pare.method.catalogue import METHODS, is_pretrained
from pare.reporting.records import Observer, Purpose, Record
from pare.search import reports
from pare.search.budget import NOTHING, Amounts, Budget
from pare.search.finals import Final, Finals, most_runs
from pare.search.plans import EpochCost, Job, TaskPlan
from pare.search.reports import EpochReport, TestReport
from pare.search.study.space import Space, Values


class Sweep:
    """Runs a request's jobs in order, within its budget, `concurrent` at a time; `gpus` is the number per slot."""

    def __init__(
        self,
        plans: Sequence[TaskPlan],
        out: Path,
        observers: Sequence[Observer],
        concurrent: int,
        gpus: float,
        budget: Budget,
        warm_start: bool = True,
    ) -> None:
        self._plans = {plan.task.name: plan for plan in plans}
        self.observers = list(observers)
        self._out, self._budget = out, budget
        self.concurrent, self._gpus = concurrent, gpus
        self._jobs: dict[str, Job] = {}
        self._untold: list[Job] = []
        """Jobs that have started, but that the observers do not know yet."""
        self._costs: dict[tuple[str, str], EpochCost] = defaultdict(EpochCost)
        """Cost of epochs by task and method."""
        self.failures = 0
        """Number of failed confirmations, which should be 0."""
        self.capped = ""
        """The cap that ended the sweep or a task's search early."""
        if warm_start:
            for plan in plans:
                plan.study.hints = partial(self._hints, plan)

    @property
    def finished(self) -> bool:
        """Whether every job that the budget allows has ended."""
        return not self._jobs and all(
            self._searched(plan) and not self._after_search(plan) for plan in self._plans.values()
        )

    def next(self) -> Job | None:
        """Return the next job; None while all slots are taken, or a task waits for its last trial."""
        self._tick()
        if len(self._jobs) >= self.concurrent:
            return None
        for plan in self._plans.values():
            job = self._trial(plan) or self._confirmation(plan)
            if job is not None:
                self._jobs[job.id] = job
                self._untold.append(job)
                return job
        return None

    def settle(self) -> None:
        """Persist new trials and notify observers. Deferred, so that it never delays giving a slot its next job."""
        for plan in self._plans.values():
            plan.study.settle()
        while self._untold:
            job = self._untold.pop(0)
            for observer in self.observers:
                observer.begin(job.record)

    def report(self, id: str, figures: Mapping[str, Any]) -> bool:  # noqa: A002
        """Record an epoch's metrics or a confirmation's test metric; return whether to continue."""
        self._tick()
        self.settle()
        job = self._jobs[id]
        record, report = job.record, reports.read(figures)
        if isinstance(report, TestReport):
            record.test, record.also = report.metric, report.also
            return True
        self._learn_cost(record, report)
        record.epochs, record.objective, record.seconds = report.epoch, report.objective, report.seconds
        record.gpu_hours = record.seconds * self._gpus / 3600
        for observer in self.observers:
            observer.epoch(record, figures)
        go_on = True
        if job.number is not None:
            go_on = self._plans[record.task].study.report(job.number, record.epochs, record.objective)
        if record.epochs == job.run.epochs:
            return job.purpose == "confirm"  # its test comes next
        if go_on:
            job.cut = self._budget.reached() if job.number is None else self._stop(self._plans[record.task])
        return go_on and not job.cut

    def end(self, id: str, why: str = "") -> None:  # noqa: A002
        """End a job that is complete, was cut short, or failed for the reason `why`."""
        self._tick()
        self.settle()
        job = self._jobs[id]
        record, study = job.record, self._plans[job.record.task].study
        record.ended, record.why = datetime.now(UTC), why or job.cut
        whole = record.epochs == job.run.epochs and record.objective is not None
        record.state = "failed" if why else "complete" if whole else "pruned"
        # The study comes last: if the driver dies before that, the next one ends this job again, and no table lacks it.
        for observer in self.observers:
            observer.end(record)
        if job.number is None:
            # Of a race, the others go on.
            self.failures += record.state != "complete" and not job.cut and job.purpose != "race"
            self._finals(self._plans[record.task]).end(job.purpose, job.run, record.objective if whole else None)
        elif why:
            study.fail(job.number, why, record.seconds)
        elif whole:
            study.complete(job.number, float(record.objective or 0.0), record.seconds)
        else:
            study.prune(job.number, job.cut, record.seconds)
        del self._jobs[id]
        self.capped = self.capped or job.cut
        if job.purpose == "search":
            shutil.rmtree(job.folder, ignore_errors=True)

    def _trial(self, plan: TaskPlan) -> Job | None:
        if plan.began is None and not plan.study.over:
            plan.began = self._budget.spent
        stopped = self._stop(plan)
        asked = plan.study.ask(unfinished_only=bool(stopped))
        if asked is None:
            return None
        trial = f"{asked.method}-{asked.number:04d}"
        job = self._job(plan, trial, asked.run, "search", asked.number, asked.searched)
        if asked.reported:
            job.record.epochs, job.record.objective = max(asked.reported), asked.reported[max(asked.reported)]
        if stopped:
            # An earlier session left it unfinished, and the budget is spent.
            job.cut = stopped
            self._jobs[job.id] = job
            for observer in self.observers:
                observer.begin(job.record)
            self.end(job.id)
            return self._trial(plan)
        return job

    def _confirmation(self, plan: TaskPlan) -> Job | None:
        if not self._searched(plan):
            return None
        final = self._after_search(plan)
        if final is None:
            return None
        self._finals(plan).give(final)
        return self._job(plan, final.name, final.run, final.purpose, None, {}, final.continues)

    def _searched(self, plan: TaskPlan) -> bool:
        """Whether the task's search is over and all its trials have ended."""
        running = any(job.number is not None and job.record.task == plan.task.name for job in self._jobs.values())
        return not running and (plan.study.over or bool(plan.stopped and not plan.study.unfinished))

    def _after_search(self, plan: TaskPlan) -> Final | None:
        """Return the next run that a task needs after its search; None if there is none now, or the budget is spent."""
        finals = self._finals(plan)
        while (final := finals.next()) is not None:
            cap = self._budget.reached(NOTHING if final.purpose == "confirm" else self._reserve())
            self.capped = self.capped or cap
            if not cap:
                return final
            if final.purpose != "race":
                return None
            finals.call_off()
        return None

    def _finals(self, plan: TaskPlan) -> Finals:
        if plan.finals is None:
            plan.finals = plan.after_search()
        return plan.finals

    def _stop(self, plan: TaskPlan) -> str:
        """Return the cap that ends the task's search: its share of what was left at its start, less the reserve."""
        if not plan.stopped and plan.began is not None:
            others = [p for p in self._plans.values() if p is not plan and p.began is None and not p.study.over]
            plan.stopped = self._budget.reached(self._reserve(), plan.began, 1 + len(others))
            self.capped = self.capped or plan.stopped
        return plan.stopped

    def _reserve(self) -> Amounts:
        """Estimate the cost of the races and confirmations left from the epochs measured so far."""
        seconds = 0.0
        for name, plan in self._plans.items():
            if plan.finals is None:
                seeds, epochs = len(plan.seeds), plan.study.epochs
                runs = [(method, epochs * most_runs(plan.study.whole(method), seeds)) for method in plan.study.methods]
            else:
                runs = plan.finals.reserved()
            for method, epochs in runs:
                seconds += epochs * self._costs[name, method].per_epoch
        hours = seconds / 3600
        return Amounts(hours / self.concurrent, hours * self._gpus, hours / self.concurrent * self._budget.price())

    def _learn_cost(self, record: Record, report: EpochReport) -> None:
        """Record the cost of a method's epochs on a task, except those that an earlier session ran."""
        epochs = report.epoch - record.epochs
        if epochs > 0 and (record.seconds or not record.epochs):
            cost = self._costs[record.task, record.method]
            cost.epochs += epochs
            cost.seconds += report.seconds - record.seconds

    def _hints(self, plan: TaskPlan, method: MethodName) -> list[tuple[Space, Values]]:
        """Return a method's best values from finished searches of tasks of the same modality."""
        found = []
        for other in self._plans.values():
            if other is not plan and other.task.modality == plan.task.modality and other.study.over:
                best = other.study.best(method)
                if best is not None:
                    found.append((other.study.space, dict(best.searched)))
        return found

    def _tick(self) -> None:
        self._budget.tick(len(self._jobs) * self._gpus)

    def _job(
        self,
        plan: TaskPlan,
        trial: str,
        run: Run,
        purpose: Purpose,
        number: int | None,
        searched: Mapping[str, Any],
        continues: str = "",
    ) -> Job:
        task = plan.task.name
        pretrained = METHODS[run.method].pretrained and is_pretrained(run.body)
        record = Record(
            target=plan.task,
            trial=trial,
            method=run.method,
            purpose=purpose,
            seed=run.seed,
            provenance=plan.data.provenance,
            body="pretrained" if pretrained else "random",
            config=run.flat(),
            started=datetime.now(UTC),
            searched=searched,
            continues=continues,
        )
        folder = trial if purpose == "search" else folder_after_search(run.flat())
        return Job(f"{task}/{trial}", run, purpose, SweepDir(self._out).task(task).running / folder, record, number)
