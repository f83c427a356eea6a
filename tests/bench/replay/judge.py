"""Replays searches over recorded curves, and judges what they choose."""

from typing import NamedTuple

import numpy as np
import optuna

from pare.search.finals import ENTRANTS, Entrant, Finals
from pare.search.study.space import to_run
from tests.bench import experience, record
from tests.bench.draws import draw, near, starts
from tests.bench.record import METHOD
from tests.bench.replay.contestants import Ours, makers
from tests.bench.replay.surrogate import BOUND, Surrogate

BUDGET = 20
"""Whole trials that a search may cost, in epochs."""

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
