"""Does the search deserve its defaults? Recorded curves replayed, nothing trained: `python -m tests.bench.search`.

The real study (`pare.search.study`) asks; a surrogate of the curves that `tests.bench.record` left answers, epoch by
epoch, for any configuration of the space. Counted are the epochs until the study's best trial is as good as the one
that chance alone, nothing cut short, ends with after its whole budget. "As good" is by the surrogate's expectation:
what a trial reports has the chance of a seed in it, and a lucky seed is not a better configuration.

How far the surrogate can be believed is printed first: its rank correlation on configurations it was not fitted to.
"""

import argparse
import sys
import time
from itertools import product
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from rich.console import Console
from rich.table import Table

from pare.errors import DataError
from pare.search.study import SamplerName, SchedulerName
from pare.search.study.study import Study
from tests.bench import record
from tests.bench.record import METHOD
from tests.bench.surrogate import Surrogate

BUDGET = 40
"""Trials of chance alone, each to its last epoch; no search is given more epochs."""

GOAL = 1 / 3
"""Of that budget: what the default should need at most."""

Priors = Literal["near", "published", "none"]
"""What a search starts from: the published configuration and trials near it; that configuration alone; nothing."""


class Setting(NamedTuple):
    """How a study searches."""

    sampler: SamplerName = "tpe"
    scheduler: SchedulerName = "asha"
    priors: Priors = "near"
    hints: bool = False
    """Whether it is told what a search of the other task found best."""


CHANCE = Setting("random", "none", "none")
DEFAULT = Setting()


class Start(Study):
    """A study that may know less at its start."""

    priors: Priors = "near"

    def _known(self, method, number, turn):
        known = super()._known(method, number, turn)
        hinted = 0 < turn <= len(self.hints(method))
        return known if hinted or self.priors == "near" or (self.priors == "published" and turn == 0) else None


class Course(NamedTuple):
    """How a replayed search went."""

    marks: list[tuple[int, float]]
    """(epochs spent, expected score of the study's best trial), whenever a trial ended."""
    best: dict[str, Any]
    trials: int

    def epochs_to(self, score):
        return next((spent for spent, reached in self.marks if reached <= score), np.inf)

    def score_at(self, epochs):
        return next((reached for spent, reached in reversed(self.marks) if spent <= epochs), np.inf)


def replay(surrogate, setting, seed, epochs, slots=1, hints=(), goal=-np.inf, least=0):
    """Search until `epochs` are spent, or `least` and the goal is reached; the trials in the slots go on in step."""
    study = Start(
        surrogate.task.name,
        None,  # in memory
        surrogate.task.metric.direction,
        surrogate.base,
        surrogate.space,
        (METHOD,),
        epochs + slots + 1,  # trials: more than there are epochs for, and one of naive fine-tuning
        seed * 100_000,  # the study counts on from it, trial by trial
        setting.sampler,
        setting.scheduler,
    )
    study.priors, study.hints = setting.priors, lambda _: hints if setting.hints else ()
    marks, live, trials = [], {}, 0
    for spent in range(1, epochs + 1):
        while len(live) < slots:
            asked = study.ask()
            if asked.method != METHOD:  # the trial of naive fine-tuning, which costs every search the same
                study.prune(asked.number)
                asked = study.ask()
            trials += 1
            live[asked.number] = np.minimum.accumulate(surrogate.answer(asked.searched, seed)), 0
        # The one that has waited longest.
        number = next(iter(live))
        curve, epoch = live.pop(number)
        go_on = study.report(number, epoch + 1, float(curve[epoch]))
        if epoch + 1 == len(curve):
            study.complete(number, float(curve[epoch]))
        elif go_on:
            live[number] = curve, epoch + 1
            continue
        else:
            study.prune(number)
        marks.append((spent, surrogate.score(study.best(METHOD).searched)))
        if spent >= least and marks[-1][1] <= goal:
            break
    return Course(marks, dict(study.best(METHOD).searched), trials)


def settings(samplers, full):
    """The settings to compare: one choice changed at a time from the default, or every combination."""
    if full:
        return [Setting(*each) for each in product(samplers, get_args(SchedulerName), get_args(Priors), (False, True))]
    return [
        DEFAULT,
        *(DEFAULT._replace(sampler=name) for name in samplers if name != DEFAULT.sampler),
        *(DEFAULT._replace(scheduler=name) for name in get_args(SchedulerName) if name != DEFAULT.scheduler),
        *(DEFAULT._replace(priors=name) for name in get_args(Priors) if name != DEFAULT.priors),
        DEFAULT._replace(hints=True),
        DEFAULT._replace(priors="none", hints=True),
    ]


def compare(surrogate, other, chosen, repeats, slots):
    """A table of settings, one row each, over repeats with the same seeds for all."""
    budget = BUDGET * surrogate.base.epochs
    third = int(budget * GOAL)
    hints = []
    for seed in range(repeats):
        found = replay(other, DEFAULT, seed, int(BUDGET * other.base.epochs * GOAL)).best if other else None
        hints.append([(other.space, found)] if other else ())
    alone = [replay(surrogate, CHANCE, seed, budget, slots) for seed in range(repeats)]
    goal = float(np.median([course.score_at(budget) for course in alone]))
    table = Table(title=f"{surrogate.task.name}: epochs to {goal:.4g}, where {budget} epochs of chance end")
    for column in ("sampler", "scheduler", "start", "hints"):
        table.add_column(column)
    for column in ("epochs", "quartiles", "of chance's", "trials", f"after {third} epochs"):
        table.add_column(column, justify="right")

    def row(setting, courses):
        needed = [course.epochs_to(goal) for course in courses]
        quartiles = np.quantile(needed, [0.25, 0.5, 0.75], method="inverted_cdf")
        low, median, high = (f"{value:.0f}" if np.isfinite(value) else f"> {budget}" for value in quartiles)
        table.add_row(
            setting.sampler,
            setting.scheduler,
            setting.priors,
            "yes" if setting.hints else "no",
            median,
            f"{low} to {high}",
            f"{quartiles[1] / budget:.0%}" if np.isfinite(quartiles[1]) else "> 100%",
            f"{np.median([course.trials for course in courses]):.0f}",
            f"{np.median([course.score_at(third) for course in courses]):.4g}",
            style="bold" if setting == DEFAULT else None,
        )

    row(CHANCE, alone)
    for setting in chosen:
        if setting == CHANCE or (setting.hints and not other):
            continue
        courses = [replay(surrogate, setting, seed, budget, slots, hints[seed], goal, third) for seed in range(repeats)]
        row(setting, courses)
    return table


def describe(surrogate):
    """What the surrogate was made of, and how far it can be believed."""
    task = surrogate.task
    ranks = ", ".join(f"{name} {value:.2f}" for name, value in surrogate.correlations.items())
    return (
        f"{task.name} ({surrogate.provenance}): {len(surrogate.rows)} configurations of {surrogate.base.epochs} "
        f"epochs, {surrogate.diverged} diverged; rank correlation out of sample: {ranks}; {surrogate.name} answers; it "
        f"misses by {surrogate.missed:.1%}, seeds differ by {surrogate.chance:.1%}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=["ecg", "darcy"])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument(
        "--samplers",
        nargs="+",
        default=["tpe", "cmaes", "random"],
        choices=get_args(SamplerName),
        help="gp takes up to a minute a repeat",
    )
    parser.add_argument("--slots", type=int, default=1, help="trials at the same time")
    parser.add_argument("--full", action="store_true", help="every combination of settings")
    arguments = parser.parse_args()
    console = Console()
    if not console.is_terminal:
        console.width = 110
    began = time.perf_counter()
    try:
        surrogates = {name: Surrogate(record.load(record.path_of(name))) for name in arguments.tasks}
    except DataError as error:
        sys.exit(str(error))
    for name, surrogate in surrogates.items():
        console.print(describe(surrogate), highlight=False)
        other = next((surrogates[each] for each in surrogates if each != name), None)
        chosen = settings(arguments.samplers, arguments.full)
        console.print(compare(surrogate, other, chosen, arguments.repeats, arguments.slots))
    console.print(f"{arguments.repeats} repeats, {time.perf_counter() - began:.0f} s", highlight=False)


if __name__ == "__main__":
    main()
