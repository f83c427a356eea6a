"""Baselines that need no training of ours: the constant prediction and a task's own, shown beside every result."""

from typing import NamedTuple

import numpy as np

from pare.data.store import Prepared
from pare.data.task import Baseline, Task

CONSTANT = "constant"
"""The best prediction that ignores the input."""


class Score(NamedTuple):
    """The name of a baseline and its metric on both splits that a leaderboard shows."""

    name: str
    validation: float
    test: float


def scores(task: Task, data: Prepared) -> list[Score]:
    """Return the scores of a task's baselines: the constant prediction, then the task's own if it has one."""
    own = score(task, data)
    return [constant(task, data), *([own] if own else [])]


def constant(task: Task, data: Prepared) -> Score:
    """Return the score of the best prediction that ignores the input."""
    prediction = task.constant(data.split("train").y)
    reached = []
    for name in ("val", "test"):
        split = data.split(name)
        predictions = np.broadcast_to(prediction, (len(split), *prediction.shape))
        reached.append(task.score(task.metric, predictions, split))
    return Score(CONSTANT, *reached)


def score(task: Task, data: Prepared) -> Score | None:
    """Fit the task's trivial predictor on the training split and measure it; None where the task has none."""
    trivial = task.baseline(data.split("train"))
    if trivial is None:
        return None
    return Score(trivial.name, *(_measured(task, trivial, data, name) for name in ("val", "test")))


def _measured(task: Task, trivial: Baseline, data: Prepared, name: str) -> float:
    split = data.split(name)
    return task.score(task.metric, trivial.predict(task.assemble(np.asarray(split.x))), split)
