"""Does the search deserve its defaults? Recorded curves replayed, nothing trained: `python -m tests.bench.search`.

Each contestant asks for trials; a surrogate of the curves that `tests.bench.record` left answers, epoch by epoch, for
any configuration of the space. Its choice is the best whole trial by validation, and is judged by the truth: the test
metric in the mean over seeds, which no contestant sees. Printed are the regret of the choice, 100 ln(truth / best
truth of the space), after a third of the budget and all of it, and the epochs and seconds of a slot until the choice
is as true as the one that random search, nothing cut short, ends with. Then the average rank over problems and repeats
with its 95 % interval (bootstrap over repeats), and what the race on fresh seeds buys.

How far the surrogate can be believed is printed first: its rank correlation on configurations it was not fitted to.
Nothing is concluded from a problem where that is below .5.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import optuna
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata

from pare.errors import DataError
from pare.search.finals import ENTRANTS, Entrant, Finals
from pare.search.study.space import to_run
from tests.bench import experience, record
from tests.bench.draws import draw, near, starts
from tests.bench.problems import PROBLEMS
from tests.bench.record import METHOD
from tests.bench.replay.contestants import Ours, makers
from tests.bench.replay.surrogate import BOUND, Surrogate

BUDGET = 20
"""Whole trials that a search may cost, in epochs."""

CHOSEN_ON = ("ecg", "advection", "digits")
"""Problems on which the search's settings were chosen; the others were only looked at in the end."""

REFERENCE = "random, from nothing"
SEEDS = (1, 2)
"""Fresh seeds of the race."""


class Mark(NamedTuple):
    """The end of a trial: what the search has cost so far, and the truth of its choice."""

    epochs: int
    seconds: float
    truth: float


class Course(NamedTuple):
    """How a replayed search went."""

    marks: list[Mark]
    trials: int

    def at(self, epochs):
        return next((mark.truth for mark in reversed(self.marks) if mark.epochs <= epochs), np.inf)

    def cost_to(self, truth):
        return next(((mark.epochs, mark.seconds) for mark in self.marks if mark.truth <= truth), (np.inf, np.inf))


class Judged(NamedTuple):
    """What was found out about a problem."""

    name: str
    text: str
    believed: bool
    budget: int
    least: float
    """Best truth of the space."""
    courses: dict[str, list[Course]]
    """By contestant, over repeats."""
    races: np.ndarray
    """A row of `race` per repeat."""


def replay(surrogate, contestant, seed, epochs):
    """Search until `epochs` are spent, one trial at a time."""
    marks, spent, seconds, trials = [], 0, 0.0, 0
    chosen = (True, np.inf), np.inf  # whether it was cut, its metric; its truth
    while spent < epochs:
        number, values = contestant.ask()
        metric, _, clock = surrogate.answer(values, seed)
        best, trials, going, epoch = np.minimum.accumulate(metric), trials + 1, True, 0
        while going and epoch < len(best) and spent < epochs:
            going = contestant.report(number, epoch + 1, float(best[epoch]))
            epoch, spent = epoch + 1, spent + 1
        whole = epoch == len(best)
        seconds += clock[epoch - 1]
        contestant.end(number, float(best[epoch - 1]), whole)
        standing = not whole, best[epoch - 1]
        if standing < chosen[0]:
            chosen = standing, surrogate.truth(values)
        marks.append(Mark(spent, seconds, chosen[1]))
    return Course(marks, trials)


def best_truth(surrogate, draws=600):
    """The best truth of the space: of random configurations, and of those near the known ones."""
    of, base = surrogate.space, surrogate.base
    known, rng = starts(of, base, METHOD), np.random.default_rng(0)
    close = (near(of, known[n % len(known)], METHOD, rng) for n in range(draws // 2))
    uniform = (draw(of, base, 2 * n + 1, METHOD)[1] for n in range(draws // 2))
    return min(surrogate.truth(values) for values in [*known, *close, *uniform])


def compare(surrogate, contestants, repeats, budget):
    """Courses by contestant, a list over repeats; all with the same seeds."""
    return {
        name: [replay(surrogate, make(surrogate, seed), seed, budget) for seed in range(repeats)]
        for name, make in contestants.items()
    }


def judge(name, gp, only, repeats):
    """Everything that is found out about a problem."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    surrogate = Surrogate(record.load(record.path_of(name)))
    # Nothing of the problem itself has taught the package's search.
    surrogate.space = experience.taught(surrogate.space, experience.fit(experience.recordings(leave_out=name)))
    contestants = makers(gp)
    if only:
        contestants = {each: make for each, make in contestants.items() if each.startswith((REFERENCE, *only))}
    budget = BUDGET * surrogate.base.epochs
    return Judged(
        name,
        describe(surrogate),
        surrogate.correlation >= BOUND,
        budget,
        best_truth(surrogate),
        compare(surrogate, contestants, repeats, budget),
        np.array([race(surrogate, seed, budget) for seed in range(repeats)], dtype=float),
    )


def table_of(judged):
    """A table of contestants on one problem."""
    courses, budget, least = judged.courses, judged.budget, judged.least
    goal = float(np.median([course.at(budget) for course in courses[REFERENCE]]))
    table = Table(title=f"{judged.name}: regret [%] and what it takes to be as good as random after {budget} epochs")
    table.add_column("contestant")
    for column in ("after a third", "after all", "quartiles", "epochs", "seconds", "trials"):
        table.add_column(column, justify="right")
    whole = float(np.median([course.marks[-1].seconds for course in courses[REFERENCE]]))
    for name, its in courses.items():
        early, late = (
            100 * np.log([course.at(at) for course in its] / np.array(least)) for at in (budget // 3, budget)
        )
        epochs, seconds = np.median([course.cost_to(goal) for course in its], axis=0)
        low, high = np.quantile(late, [0.25, 0.75])
        table.add_row(
            name,
            f"{np.median(early):.1f}",
            f"{np.median(late):.1f}",
            f"{low:.1f} to {high:.1f}",
            f"{epochs / budget:.0%}" if np.isfinite(epochs) else "> 100%",
            f"{seconds / whole:.0%}" if np.isfinite(seconds) else "> 100%",
            f"{np.median([course.trials for course in its]):.0f}",
        )
    return table


def ranks(results, budget):
    """Ranks (problems, repeats, contestants) by truth at a budget; ties share."""
    return np.array(
        [
            [rankdata([course.at(budget) for course in each]) for each in zip(*courses.values(), strict=True)]
            for courses in results.values()
        ]
    )


def summary(results, budget):
    """Average rank over problems and repeats, with its 95 % interval, after a third of the budget and after all."""
    table = Table(title=f"average rank over {', '.join(results)}")
    table.add_column("contestant")
    names = list(next(iter(results.values())))
    columns = {}
    for title, at in (("after a third", budget // 3), ("after all", budget)):
        found = ranks(results, at)
        rng, repeats = np.random.default_rng(0), found.shape[1]
        drawn = [found[:, rng.integers(repeats, size=repeats)].mean(axis=(0, 1)) for _ in range(1000)]
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        means = found.mean(axis=(0, 1))
        columns[title] = [f"{m:.1f} ({a:.1f} to {b:.1f})" for m, a, b in zip(means, low, high, strict=True)]
        order = np.argsort(means)
        table.add_column(title, justify="right")
    for index in order:
        table.add_row(names[index], *(column[index] for column in columns.values()))
    return table


def race(surrogate, seed, budget):
    """What is chosen after our search, by its one seed and by the race: truths, flags, and runs trained."""
    study = Ours(surrogate, seed, published=True)
    replay(surrogate, study, seed, budget)
    searched = {trial.run: dict(trial.searched) for trial in study.finalists(METHOD, ENTRANTS)}
    published = surrogate.base.replace({**to_run(surrogate.space.published(surrogate.base, METHOD)), "method": METHOD})
    searched.setdefault(published, surrogate.space.published(surrogate.base, METHOD))
    entrants = [Entrant(str(index), run) for index, run in enumerate(searched)]
    finals = Finals({METHOD: entrants}, {METHOD: published}, SEEDS, "minimize", {})

    def validation(run, fresh):
        return float(surrogate.answer(searched[run], (seed, fresh))[0].min())

    trained = set()
    while (final := finals.next()) is not None:
        finals.give(final)
        trained.add(final.run)
        finals.end(
            final.purpose, final.run, validation(final.run.replace({"seed": surrogate.base.seed}), final.run.seed)
        )

    def mean(run):
        return np.mean([validation(run, fresh) for fresh in SEEDS])

    row = []
    for run in (entrants[0].run, finals.winner(METHOD).run):
        row += [surrogate.truth(searched[run]), mean(run) > mean(published)]
    return [*row, len(trained)]


def race_table(judged):
    table = Table(title="the choice after pare's search: by its one seed, and by the race on fresh seeds")
    names = ("problem", "regret [%]", "with the race", "difference", "overtuned", "with the race", "runs trained")
    for column in names:
        table.add_column(column, justify="left" if column == "problem" else "right")
    for each in judged:
        single, flagged, raced, flagged_still, runs = each.races.T
        regrets = [f"{100 * np.log(truth / each.least).mean():.1f}" for truth in (single, raced)]
        flags = [f"{flags.mean():.0%}" for flags in (flagged, flagged_still)]
        table.add_row(each.name, *regrets, _difference([each]), *flags, f"{runs.mean():.1f}")
    table.add_row("all", "", "", _difference(judged), "", "", "")
    return table


def _difference(judged):
    """What the race adds to the regret, in the mean over problems, with its 95 % interval."""
    found = np.mean([100 * np.log(each.races[:, 2] / each.races[:, 0]) for each in judged], axis=0)
    drawn = np.random.default_rng(0).choice(found, (1000, len(found))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{found.mean():+.1f} ({low:+.1f} to {high:+.1f})"


def describe(surrogate):
    """What the surrogate was made of, and how far it can be believed."""
    at_epochs = " ".join(f"{value:.2f}" for value in surrogate.epoch_correlations)
    believed = "" if surrogate.correlation >= BOUND else f"; below {BOUND}: nothing is concluded from it"
    lines = (
        f"{surrogate.name} ({surrogate.facts['provenance']} data, {surrogate.base.body}):",
        f"{surrogate.configurations}",
        f"configurations of {surrogate.base.epochs} epochs and two seeds, {surrogate.diverged} diverged; rank",
        f"correlation out of sample {surrogate.correlation:.2f} ({surrogate.regressor}){believed};",
        f"of the best validation metric after each epoch with the truth: {at_epochs}",
    )
    return " ".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--gp", action="store_true", help="with Gaussian processes, which take half a minute a repeat")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--only", nargs="+", help="contestants whose names begin so, beside random")
    arguments = parser.parse_args()
    console = Console()
    if not console.is_terminal:
        console.width = 120
    began, judged = time.perf_counter(), []
    ask = partial(judge, gp=arguments.gp, only=arguments.only, repeats=arguments.repeats)
    try:
        with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
            for each in pool.map(ask, arguments.problems):
                console.print(each.text, highlight=False)
                console.print(table_of(each))
                judged.append(each)
    except DataError as error:
        sys.exit(str(error))
    believed = [each for each in judged if each.believed]
    for names in (
        CHOSEN_ON,
        [each.name for each in believed if each.name not in CHOSEN_ON],
        [e.name for e in believed],
    ):
        some = {each.name: each.courses for each in believed if each.name in names}
        if some:
            console.print(summary(some, believed[0].budget))
    if believed:
        console.print(race_table(believed))
    console.print(f"{arguments.repeats} repeats, {time.perf_counter() - began:.0f} s", highlight=False)


if __name__ == "__main__":
    main()
