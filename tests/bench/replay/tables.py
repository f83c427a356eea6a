"""The tables of judged searches."""

import numpy as np
from rich.table import Table
from scipy.stats import rankdata

from tests.bench.replay.judge import REFERENCE


def problem(judged):
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


def ranking(results, budget):
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


def races(judged):
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


def against_random(judged):
    """What the package's choice adds to the regret of random search's, from nothing and nothing cut short."""
    table = Table(title="regret of pare's choice less that of random search's, in points: below 0 is better")
    for column in ("problem", "by its one seed", "with the race"):
        table.add_column(column, justify="left" if column == "problem" else "right")
    differences = []
    for each in judged:
        random = np.array([course.at(each.budget) for course in each.courses[REFERENCE]])
        differences.append([100 * np.log(each.races[:, column] / random) for column in (0, 2)])
        table.add_row(each.name, *map(_interval, differences[-1]))
    table.add_row("all", *map(_interval, np.mean(differences, axis=0)))
    return table


def _difference(judged):
    """What the race adds to the regret, in the mean over problems, with its 95 % interval."""
    return _interval(np.mean([100 * np.log(each.races[:, 2] / each.races[:, 0]) for each in judged], axis=0))


def _interval(found):
    """The mean over repeats and its 95 % interval."""
    drawn = np.random.default_rng(0).choice(found, (1000, len(found))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{found.mean():+.1f} ({low:+.1f} to {high:+.1f})"
