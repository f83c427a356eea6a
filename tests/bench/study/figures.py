"""What a study found, drawn: the arms' differences to `nft`, and a map of differences over budgets of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.bench.study.arms import ARMS, REFERENCE
from tests.bench.study.settings import SETTINGS, budget, provenance
from tests.bench.study.table import Difference, Line, finished, paired

RIVALS = {"nft-equal-time": "nft for as many seconds", "half-cutmix": "cutmix"}
"""What the map compares the reference arm with."""

_COLOURS = {"better": "#146e3c", "worse": "#aa3228"}
_INK = "#444444"


def arms(lines: Sequence[Line], path: Path) -> None:
    """Draw the differences to `nft` with their intervals, a panel a task; left of the line is better."""
    lines = finished(lines)
    names = [task for task in dict.fromkeys(line["task"] for line in lines) if not budget(task)[1]]
    panels: dict[str, Mapping[str, Difference]] = {}
    for task in names:
        found = {arm: paired(lines, task, arm, "nft") for arm in ARMS if arm != "nft" and "+" not in arm}
        panels[task] = {arm: difference for arm, difference in found.items() if difference}
    heights = [len(rows) + 2 for rows in panels.values()] or [1]
    figure, axes = plt.subplots(
        len(heights), 1, figsize=(8, 0.3 * sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for (task, rows), axis in zip(panels.items(), axes[:, 0], strict=False):
        metric = next(line["metric"] for line in lines if line["task"] == task)
        title = f"{task} ({provenance(task)}): {metric}, difference to nft on the same seeds, 95 % interval"
        axis.set_title(title, fontsize=9, loc="left")
        axis.axvline(0, color="#bbbbbb", lw=1)
        for place, difference in enumerate(rows.values()):
            colour = _COLOURS.get(difference.verdict, _INK)
            axis.errorbar(difference.mean, -place, xerr=difference.half, fmt="o", ms=4, color=colour)
        axis.set_yticks([-place for place in range(len(rows))], [f"{arm} ({d.seeds})" for arm, d in rows.items()])
        axis.tick_params(labelsize=8)
    _save(figure, path)


def label_map(lines: Sequence[Line], path: Path) -> None:
    """Draw the reference arm's difference to its rivals against the number of labels, a line a task.

    Differences are in per cent of the rival's mean, so that tasks of different metrics share an axis.
    """
    lines = finished(lines)
    tasks = [task for task in SETTINGS if any(budget(line["task"]) == (task, line["labels"]) for line in lines)]
    figure, axes = plt.subplots(1, len(RIVALS), figsize=(10, 4), sharey=True, layout="constrained")
    for (rival, title), axis in zip(RIVALS.items(), axes, strict=True):
        axis.axhline(0, color="#bbbbbb", lw=1)
        for place, task in enumerate(tasks):
            _line(axis, lines, task, rival, aside=1.025 ** (place - len(tasks) / 2))
        axis.set_xscale("log")
        budgets = sorted({budget(line["task"])[1] for line in lines} - {0})
        axis.set_xticks(budgets, [str(labels) for labels in budgets])
        axis.minorticks_off()
        axis.set_xlabel("labelled training samples")
        axis.set_title(f"{REFERENCE} against {title}", fontsize=10)
    axes[0].set_ylabel("difference of test error, %\nbelow 0: patches of the source helped")
    axes[0].legend(fontsize=8)
    _save(figure, path)


def _line(axis: Axes, lines: Sequence[Line], task: str, rival: str, aside: float) -> None:
    """Draw a task's differences, each a little aside of its budget, so that no interval hides another."""
    points = []
    for labels in sorted({line["labels"] for line in lines if budget(line["task"]) == (task, line["labels"])}):
        name = f"{task}@{labels}"
        difference = paired(lines, name, REFERENCE, rival)
        if difference:
            mean = float(np.mean([line["test"] for line in lines if (line["task"], line["arm"]) == (name, rival)]))
            points.append((labels * aside, 100 * difference.mean / mean, 100 * difference.half / mean))
    if points:
        x, y, half = zip(*points, strict=True)
        axis.errorbar(x, y, yerr=half, marker="o", ms=4, capsize=2, lw=1.2, label=f"{task} ({provenance(task)})")


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=120)
    plt.close(figure)
