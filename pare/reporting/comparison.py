"""Compares a method with another and with published figures, and a choice with the published one; puts it in words."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy.special import stdtrit

from pare import tasks
from pare.config import MethodName
from pare.data.baselines import Score
from pare.data.task import Metric, Provenance, Published, Task
from pare.reporting import baselines, schema, tables

REFERENCE: MethodName = "nft"
"""Method that every other method is compared with, seed by seed."""

CONFIDENCE = 0.95

FEWEST = 3
"""Seeds from which on an interval decides: over two, Student's reaches nine standard deviations to each side."""

Row = Mapping[str, Any]


def paired(
    tested: Sequence[Row], reference: Sequence[Row], figure: str = "test"
) -> tuple[float | None, float | None, float | None]:
    """Return the mean difference of a metric to the reference on the same seeds, and its 95 % interval.

    It is Student's interval over seeds; None if there are too few.
    """
    theirs = {row["seed"]: row[figure] for row in reference if row[figure] is not None}
    differences = [row[figure] - theirs[row["seed"]] for row in tested if row["seed"] in theirs]
    if not differences:
        return None, None, None
    mean, count = statistics.fmean(differences), len(differences)
    if count == 1:
        return mean, None, None
    half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * statistics.stdev(differences) / math.sqrt(count)
    return mean, mean - half, mean + half


def against_default(metric: Metric, tested: Sequence[Row], defaults: Sequence[Row]) -> tuple[float | None, bool]:
    """Return the published configuration's mean validation, and whether the chosen one is worse on the same new seeds.

    A choice that is worse there was luck on the search's seed (overtuning).
    """
    of_default = {row["seed"]: row["validation"] for row in defaults if row["state"] == "complete"}
    pairs = [(row["validation"], of_default[row["seed"]]) for row in tested if row["seed"] in of_default]
    if not pairs:
        return None, False
    chosen, default = (statistics.fmean(values) for values in zip(*pairs, strict=True))
    return default, metric.better(default, chosen)


def published_figure(task: Task, method: str) -> Published | None:
    """Return the figure published for the method (as PaRe for `pare`), preferably a verified one."""
    figures = [figure for figure in task.published if method in re.findall(r"\w+", figure.method.lower())]
    return max(figures, key=lambda figure: figure.verified, default=None)


def comparable(provenance: Provenance, labels: int | None, published: Published | None) -> str:
    """Return whether a test metric may be compared with the published figure, and why not."""
    if provenance != "real":
        return f"no: {provenance}"
    if published is None:
        return "no figure"
    if labels:
        return f"no: {labels} labels"
    if published.metric:
        return f"no: {published.metric}"
    return "yes" if published.verified else "no: unverified"


def conclusions(out: Path) -> dict[str, list[str]]:
    """Say of each task what its tables in `out` show, in sentences; the first says which method is better."""
    names = (schema.TRIALS, schema.CONFIRM, schema.PUBLISHED, schema.RACE)
    read = [tables.load(out, table).to_pylist() for table in names]
    reached = baselines.read(out)
    found = {}
    for name in sorted({row["task"] for row in read[0] + read[1]}):
        trials, confirm, published, race = ([row for row in table if row["task"] == name] for table in read)
        found[name] = conclude(tasks.get(name).metric, trials, confirm, published, reached.get(name, ()), race)
    return found


def conclude(
    metric: Metric,
    trials: Sequence[Row],
    confirm: Sequence[Row],
    published: Sequence[Row],
    reached: Sequence[Score] = (),
    race: Sequence[Row] = (),
) -> list[str]:
    """Say what a task's figures show: which method is better, what was searched, and what the search was worth.

    The rows are those of the tables trials, confirm, published and race; `reached` are the baselines' scores.
    """
    sentences = [_verdict(metric, confirm, reached)]
    if trials:
        sentences.append(_searched(trials))
    for method, its in _by_method([row for row in trials if row["state"] != "running"]).items():
        if len(its) > 1:
            chosen, start = (_by_method(rows).get(method, []) for rows in (confirm, published))
            raced = any(row["method"] == method for row in race)
            sentences.append(_worth(metric, method, its, chosen, start, raced))
    return sentences


def _verdict(metric: Metric, confirm: Sequence[Row], reached: Sequence[Score]) -> str:
    """Say, from paired differences of the test metric, which methods are better than the reference."""
    tested = _by_method([row for row in confirm if row["test"] is not None])
    if not tested:
        return "Nothing has been tested on fresh seeds yet: there is nothing to conclude."
    others = sorted((method for method in tested if method != REFERENCE), key=lambda method: method != "pare")
    if REFERENCE not in tested or not others:
        lacking = "another method" if REFERENCE in tested else REFERENCE
        clauses = [f"{_and(list(tested))} ran without {lacking} to compare with"]
    else:
        clauses = _against(metric, REFERENCE, {method: tested[method] for method in others}, tested[REFERENCE], "test")
    best = _best(metric)(statistics.fmean(row["test"] for row in rows) for rows in tested.values())
    equal = [each for each in reached if math.isclose(each.test, best, rel_tol=1e-6)]
    ahead = [each for each in reached if each not in equal and metric.better(each.test, best)]
    for those, how in ((ahead, "better than"), (equal, "as good as")):
        if those:
            named = _and([f"{each.name} ({each.test:.3g})" for each in those])
            need, are = ("need", "are") if len(those) > 1 else ("needs", "is")
            clauses.append(f"{named}, which {need} no fine-tuning, {are} {how} the best mean, {best:.3g}")
    return f"{'; '.join(clauses)}."


def _against(
    metric: Metric, other: str, tested: Mapping[str, Sequence[Row]], reference: Sequence[Row], figure: str
) -> list[str]:
    """Say which of the tested can be told from the other on the seeds that both have, by their mean differences."""
    few: dict[int, list[str]] = {}
    clauses = []
    for one, rows in tested.items():
        mean, low, high = paired(rows, reference, figure)
        seeds = len({row["seed"] for row in rows} & {row["seed"] for row in reference if row[figure] is not None})
        if mean is None:
            clauses.append(f"{one} and {other} have no seed in common")
        elif seeds < FEWEST or low is None or high is None:
            few.setdefault(seeds, []).append(f"{one} ({metric.name} {mean:+.2g})")
        elif low <= 0 <= high:
            clauses.append(
                f"{one} and {other} cannot be told apart on {seeds} seeds ({metric.name} {mean:+.2g}, "
                f"95 % interval {low:+.2g} to {high:+.2g})"
            )
        else:
            clauses.append(_better(metric, one, other, seeds, mean, low, high))
    for seeds, those in few.items():
        count = "1 seed is" if seeds == 1 else f"{seeds} seeds are"
        clauses.append(f"{count} too few to tell {_and(those)} from {other}")
    return clauses


def _better(metric: Metric, one: str, other: str, seeds: int, mean: float, low: float, high: float) -> str:
    near, far = sorted((abs(low), abs(high)))
    first, second = (one, other) if metric.better(mean, 0.0) else (other, one)
    side = "lower" if metric.direction == "minimize" else "higher"
    return (
        f"{first} is better than {second} on {seeds} seeds: its {metric.name} is {side} by {abs(mean):.2g} "
        f"(95 % interval {near:.2g} to {far:.2g})"
    )


def _searched(trials: Sequence[Row]) -> str:
    states = Counter(row["state"] for row in trials)
    words = {"complete": "to the end", "pruned": "cut short", "failed": "failed", "running": "unfinished"}
    counts = ", ".join(f"{states[state]} {what}" for state, what in words.items() if states[state])
    methods = ", ".join(f"{len(rows)} of {method}" for method, rows in _by_method(trials).items())
    names = [name for name in trials[0] if name.startswith("config.") and name != "config.method"]
    differing = sum(len({row[name] for row in trials}) > 1 for name in names)
    settings = f", which differ in {differing} setting{'s' if differing > 1 else ''}" if differing else ""
    return f"The search tried {len(trials)} trials ({methods}){settings}: {counts}."


def _worth(
    metric: Metric,
    method: str,
    trials: Sequence[Row],
    chosen: Sequence[Row],
    published: Sequence[Row],
    raced: bool,
) -> str:
    """Compare the best trial with the first, which has the published or default settings, also on fresh seeds."""
    start, *later = sorted(trials, key=lambda row: row["started"])
    complete = [row["objective"] for row in later if row["state"] == "complete" and row["objective"] is not None]
    if start["state"] != "complete" or start["objective"] is None:
        return (
            f"The settings that the search of {method} began with did not run to their end: there is nothing to beat."
        )
    best = _best(metric)([start["objective"], *complete])
    if best == start["objective"]:
        return (
            f"No trial of {method} was better on validation than the settings that the search began with "
            f"({start['objective']:.3g}; {len(later)} tried after it)."
        )
    found = (
        f"The best trial of {method} reached {best:.3g} on validation, the settings that the search began with "
        f"{start['objective']:.3g}"
    )
    done = [row for row in published if row["state"] == "complete"]
    own = [row for row in chosen if row["validation"] is not None]
    settings = [name for name in start if name.startswith("config.") and name != "config.seed"]
    if own and settings and all(own[0].get(name) == start[name] for name in settings):
        return f"{found}; but fresh seeds preferred the latter, which are what was tested."
    if paired(own, done, "validation")[0] is None:
        return f"{found}; the best of {len(trials)} is partly luck, and fresh seeds have not compared the two."
    (fresh,) = _against(metric, "the start", {"the choice": own}, done, "validation")
    where = "On fresh seeds, the first of which chose it" if raced else "On fresh seeds"
    return f"{found}. {where}: {fresh}."


def _best(metric: Metric) -> Callable[[Iterable[float]], float]:
    return min if metric.direction == "minimize" else max


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _by_method(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return {name: [row for row in rows if row["method"] == name] for name in dict.fromkeys(r["method"] for r in rows)}
