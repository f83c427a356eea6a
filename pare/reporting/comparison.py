"""Compares a method with another and with published figures, and a chosen configuration with the published one."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from scipy.special import stdtrit

from pare.data.task import Metric, Provenance, Published, Task

CONFIDENCE = 0.95

Row = Mapping[str, Any]


def paired(tested: Sequence[Row], reference: Sequence[Row]) -> tuple[float | None, float | None, float | None]:
    """Return the mean difference of the test metric to the reference on the same seeds, and its 95 % interval.

    It is Student's interval over seeds; None if there are too few.
    """
    theirs = {row["seed"]: row["test"] for row in reference if row["test"] is not None}
    differences = [row["test"] - theirs[row["seed"]] for row in tested if row["seed"] in theirs]
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
