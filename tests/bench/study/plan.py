"""What a study runs next: a list of stages, or blocks in which each method searches for as many seconds as the others.

A plan is asked for a job whenever a process is free, knowing all results so far and what is being run, so that the same
command goes on where an earlier one was cut.
"""

from __future__ import annotations

import statistics
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pare import tasks
from tests.bench.study.arms import ARMS, REFERENCE, applies
from tests.bench.study.settings import SETTINGS, budget, settings
from tests.bench.study.worker import Job

Line = dict[str, Any]


class Plan(Protocol):
    """Says what is next; None: nothing now, as what is next depends on what is running, or nothing is left."""

    def next(self, lines: Sequence[Line], busy: Collection[Job], device: str) -> Job | None: ...
    def again(self, job: Job) -> None:
        """Be told of a job that failed for no fault of its own: it may come once more."""


def identity(line: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes a run another run: task, arm, seed and, in a search, the trial."""
    final = line.get("final", True)
    return line["task"], line["arm"], line["seed"], -1 if final else line["trial"], final


def of_job(job: Job) -> tuple[Any, ...]:
    return identity(vars(job))


@dataclass
class Stages:
    """Jobs one after another, those that ended left out; one that failed for no fault of its own comes once more."""

    jobs: deque[Job]
    _failed: set[Job] = field(default_factory=set)

    @classmethod
    def of(cls, jobs: Iterable[Job], lines: Sequence[Line]) -> Stages:
        done = {identity(line) for line in lines if "error" not in line}
        return cls(deque(dict.fromkeys(job for job in jobs if of_job(job) not in done)))

    def next(self, lines: Sequence[Line], busy: Collection[Job], device: str) -> Job | None:  # noqa: ARG002
        if not self.jobs:
            return None
        job = self.jobs.popleft()
        if ARMS[job.arm].equal_time and not job.epochs:
            return replace(job, epochs=equal_time_epochs(job.task, lines, device))
        return job

    def again(self, job: Job) -> None:
        if job not in self._failed:
            self._failed.add(job)
            self.jobs.append(job)


def parse_stage(text: str) -> list[Job]:
    """`tasks/arms/seeds` → jobs, seed by seed, so that a study that is cut has every arm of the seeds it has."""
    try:
        names, arms, seeds = text.split("/")
        numbers = parse_seeds(seeds)
    except ValueError:
        raise SystemExit(
            f"--stage is {text!r}: write tasks/arms/first-last, as in ecg,digits/nft,pare/100-109"
        ) from None
    require(names.split(","), arms.split(","))
    return [
        Job(name, arm, seed)
        for seed in numbers
        for name in names.split(",")
        for arm in arms.split(",")
        if applies(arm, tasks.get(SETTINGS[budget(name)[0]].source).modality)
    ]


def parse_seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def require(names: Sequence[str], arms: Sequence[str]) -> None:
    for name, known in [*((budget(n)[0], SETTINGS) for n in names), *((a, ARMS) for a in arms)]:
        if name not in known:
            raise SystemExit(f"there is no {name!r}: choose from {', '.join(known)}")


def equal_time_epochs(task: str, lines: Sequence[Line], device: str = "cpu") -> int:
    """Epochs of `nft` that take as long as the reference arm's; twice its own before any was timed.

    What is longer is measured on the same kind of device, on the same seeds, where both ran side by side: on cores by
    seconds of a core, which other work on the machine does not change, on a card by the runs' own.
    """
    own = int(settings(task)["epochs"])
    timed = [line for line in lines if (line["task"], line.get("epochs"), line.get("device")) == (task, own, device)]
    for name in ("cpu_seconds", "seconds") if device == "cpu" else ("seconds",):
        spent = {
            arm: {line["seed"]: line[name] for line in timed if line["arm"] == arm and name in line}
            for arm in ("nft", REFERENCE)
        }
        ratios = [spent[REFERENCE][seed] / spent["nft"][seed] for seed in spent["nft"].keys() & spent[REFERENCE].keys()]
        if ratios:
            return max(own, round(own * statistics.median(ratios)))
    return 2 * own


@dataclass
class Searches:
    """Blocks, one a task, one after another: in each, every method searches, and its best configuration meets seeds.

    `nft` tries `runs` configurations, and every method as many as take the same seconds, at least one. The best by
    validation, on a seed that all trials share, trains on the fresh `seeds`, which are scored. The next block begins
    when a process finds nothing to do in this one.
    """

    tasks: Sequence[str]
    methods: Sequence[str]
    runs: int
    search_seed: int
    seeds: Sequence[int]
    _failed: Counter[Job] = field(default_factory=Counter)

    def next(self, lines: Sequence[Line], busy: Collection[Job], device: str) -> Job | None:  # noqa: ARG002
        for task in self.tasks:
            own = [line for line in lines if line["task"] == task and _ended(line)]
            running = [job for job in busy if job.task == task]
            for job in self._wanted(task, own, running):
                if self._failed[job] < 2:
                    return job
        return None

    def again(self, job: Job) -> None:
        self._failed[job] += 1

    def _wanted(self, task: str, own: Sequence[Line], running: Sequence[Job]) -> Iterator[Job]:
        """Yield jobs that may begin now: the search that has had the fewest seconds first, then what is scored."""
        searches = {method: _Search(method, own, running) for method in self.methods}
        reference = searches["nft"]
        allowed = self.runs * reference.typical
        for search in sorted(searches.values(), key=lambda search: search.seconds):
            fits = search.ended and allowed and search.seconds + search.typical / 2 <= allowed
            if not search.begun or (search.begun < self.runs if search is reference else fits):
                yield Job(task, search.method, self.search_seed, trial=search.begun, final=False)
        if len(reference.ended) < self.runs:
            return
        scored = {(line["arm"], line["seed"]) for line in own if line["final"]}
        scored |= {(job.arm, job.seed) for job in running if job.final}
        for seed in self.seeds:
            for method, search in searches.items():
                over = search is reference or search.seconds + search.typical / 2 > allowed
                best = best_trial(search.ended) if over and not search.running else None
                if best is not None and (method, seed) not in scored:
                    yield Job(task, method, seed, trial=best)


class _Search:
    """A method's trials in a block."""

    def __init__(self, method: str, own: Sequence[Line], running: Sequence[Job]) -> None:
        self.method = method
        self.ended = [line for line in own if line["arm"] == method and not line["final"]]
        self.running = sum(job.arm == method and not job.final for job in running)
        self.begun = len(self.ended) + self.running
        self.typical = statistics.mean(line["wall"] for line in self.ended) if self.ended else 0.0
        """Seconds of a trial, 0 before one ended."""
        self.seconds = self.begun * self.typical
        """Seconds of all trials, with those that running ones will take."""


def best_trial(trials: Sequence[Line]) -> int | None:
    """The trial whose best epoch is best by validation; of equals, whose mean over epochs is; None: all failed.

    All metrics of the study are better lower.
    """
    found = [line for line in trials if "error" not in line]
    if not found:
        return None
    key = {line["trial"]: (line["val"], statistics.mean(line["val_curve"])) for line in found}
    return min(key, key=lambda trial: key[trial])


def _ended(line: Line) -> bool:
    """Whether a line is the end of a run that a search planned: a result, or an error of the configuration's own."""
    return line.get("trial", -1) >= 0 and ("error" not in line or bool(line.get("refused")))
