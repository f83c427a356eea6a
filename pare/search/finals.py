"""The finals of a task: each method's best few configurations meet on fresh seeds, by validation.

The search's best is best in part by luck on its one seed, the more so the more trials it is chosen from. So a method's
entrants, which are its best trials and its published configuration, are trained again: all on the first of the fresh
seeds, the better half of them on the next one, and so on. Only the winner's runs on these seeds open the test split.
They are the runs that the race has trained already, so that a race costs the runs of those who lose it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pare.config import MethodName, Run
from pare.data.task import Direction
from pare.reporting.records import Purpose

ENTRANTS = 3
"""Trials of a method that enter, the best by validation; its published configuration enters beside them."""


class Entrant(NamedTuple):
    """A configuration of the race, by the number of its trial (`0007`) or as `published`."""

    name: str
    run: Run
    """The run on the search's seed."""

    def on(self, seed: int) -> Run:
        """Return the run on another seed."""
        return self.run.replace({"seed": seed})


class Final(NamedTuple):
    """A run of the finals: what for, its name below the task, and the run."""

    purpose: Purpose
    name: str
    run: Run
    continues: str = ""
    """Name of the race's run of the same configuration and seed, if there was one: it goes on where that one ended."""


class Finals:
    """Says which runs a task needs after its search.

    `entrants` are each method's, the best first. `results` are the validation metrics of whole runs of earlier
    sessions, by purpose and run; those of this session come by `end`. What is next depends on these alone.
    """

    def __init__(
        self,
        entrants: Mapping[MethodName, Sequence[Entrant]],
        published: Mapping[MethodName, Run],
        seeds: Sequence[int],
        direction: Direction,
        results: Mapping[tuple[Purpose, Run], float],
    ) -> None:
        self._entrants, self._published, self._seeds = entrants, published, seeds
        self._sign = 1 if direction == "minimize" else -1
        self._ended: dict[tuple[Purpose, Run], float | None] = dict(results)
        self._given: set[tuple[Purpose, Run]] = set()
        self._off = False
        self._settled = {method for method in entrants if self._was_settled(method)}

    def next(self) -> Final | None:
        """Return the next run that can start now: first of a race, then of a winner, then of a published one."""
        return next((final for final in self._wanted() if (final.purpose, final.run) not in self._given), None)

    def give(self, final: Final) -> None:
        """Note that a run has started."""
        self._given.add((final.purpose, final.run))

    def end(self, purpose: Purpose, run: Run, validation: float | None) -> None:
        """Note a run's result, None if it did not come to its end."""
        self._ended[purpose, run] = validation

    def call_off(self) -> None:
        """End the races now, because the budget does: those with the best results so far win."""
        self._off = True

    def winner(self, method: MethodName) -> Entrant | None:
        """Return the configuration that a method's race has chosen; None while it runs."""
        waiting, alive = self._race(method)
        return None if waiting and not self._off else alive[0]

    def reserved(self) -> list[tuple[MethodName, int]]:
        """Return method and epochs of the runs whose results the leaderboard will need."""
        return [
            (method, entrants[0].run.epochs)
            for method, entrants in self._entrants.items()
            for seed in self._seeds
            if (winner := self.winner(method)) is None or ("confirm", winner.on(seed)) not in self._ended
        ]

    def _wanted(self) -> list[Final]:
        """List the runs that have no result yet, in the order in which they should start."""
        races, confirmations, published = [], [], []
        for method in self._entrants:
            waiting, _ = self._race(method)
            if waiting and not self._off:
                races += waiting
                continue
            winner = self.winner(method)
            assert winner is not None  # noqa: S101 - for the type checker: the race is over
            for seed in self._seeds:
                name, raced = f"confirm-{method}-{seed}", _raced(method, winner, seed)
                confirmations.append(Final("confirm", name, winner.on(seed), raced))
                if (run := self._published[method]) != winner.run:
                    entrant = next((each for each in self._entrants[method] if each.run == run), None)
                    name, raced = f"published-{method}-{seed}", _raced(method, entrant, seed) if entrant else ""
                    published.append(Final("published", name, run.replace({"seed": seed}), raced))
        # Methods take turns, so that a budget that ends early leaves them on the same seeds.
        later = [sorted(finals, key=lambda final: final.run.seed) for finals in (confirmations, published)]
        finals = [*sorted(races, key=lambda final: final.run.seed), *later[0], *later[1]]
        return [final for final in finals if (final.purpose, final.run) not in self._ended]

    def _race(self, method: MethodName) -> tuple[list[Final], list[Entrant]]:
        """Return the runs that a method's race waits for, and who is still in it, the best first."""
        alive = list(self._entrants[method])
        if method in self._settled:
            return [], alive[:1]
        ran: list[int] = []
        for seed in self._seeds:
            if len(alive) == 1:
                break
            waiting = [each for each in alive if not self._has_run(each.on(seed))]
            if waiting:
                finals = [Final("race", _raced(method, each, seed), each.on(seed)) for each in waiting]
                return finals, self._ranked(alive, ran)
            ran.append(seed)
            alive = self._ranked(alive, ran)[: (len(alive) + 1) // 2]
        return [], self._ranked(alive, ran)

    def _ranked(self, alive: Sequence[Entrant], seeds: Sequence[int]) -> list[Entrant]:
        """Sort entrants by their mean over `seeds`; those that failed come last, and ties stay in order."""

        def mean(entrant: Entrant) -> tuple[bool, float]:
            values = [self._value(entrant.on(seed)) for seed in seeds]
            known = [value for value in values if value is not None]
            return len(known) < len(values), self._sign * statistics.fmean(known) if known else 0.0

        return sorted(alive, key=mean)

    def _has_run(self, run: Run) -> bool:
        return any((purpose, run) in self._ended for purpose in _TRAINED)

    def _value(self, run: Run) -> float | None:
        values = (self._ended.get((purpose, run)) for purpose in _TRAINED)
        return next((value for value in values if value is not None), None)

    def _was_settled(self, method: MethodName) -> bool:
        """Whether an earlier session confirmed the search's best without a race, as version 0.1 did."""
        entrants = self._entrants[method]
        raced = any(("race", each.on(seed)) in self._ended for each in entrants for seed in self._seeds)
        return not raced and all(("confirm", entrants[0].on(seed)) in self._ended for seed in self._seeds)


def _raced(method: MethodName, entrant: Entrant, seed: int) -> str:
    return f"race-{method}-{entrant.name}-{seed}"


_TRAINED: Sequence[Purpose] = ("race", "confirm", "published")
"""Purposes of runs after the search; whatever it is for, the same run has the same validation metric."""


def most_runs(trials: int, seeds: int) -> int:
    """Return how many runs the finals of a method with so many whole trials train at most."""
    entrants = min(trials, ENTRANTS + 1)  # the published configuration is among the trials
    total, alive = 0, entrants
    for _ in range(seeds):
        total += max(alive, 1)
        alive = (alive + 1) // 2
    # On the seeds after the one on which it left, the published configuration runs alone.
    return total + max(seeds - 1, 0) * (entrants > 1)
