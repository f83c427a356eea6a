"""Baselines that need no training of ours: the constant prediction and a task's own, shown beside every result."""

from typing import NamedTuple

import numpy as np

from pare.data import labels
from pare.data.store import Prepared
from pare.data.task import Baseline, Task

CONSTANT = "constant"
"""The best prediction that ignores the input."""


class Score(NamedTuple):
    """The name of a baseline and its metric on both splits that a leaderboard shows; None for what it was fitted on."""

    name: str
    validation: float | None
    test: float


def scores(task: Task, data: Prepared) -> list[Score]:
    """Return the scores of a task's baselines: the constant prediction, then its own, fitted on the training split.

    With a budget of labels no baseline sees the labels of validation either.
    """
    few = labels.parse(data.key)[1] is not None
    own = task.baselines(data.split("train"), None if few else data.split("val"))
    return [constant(task, data), *(_score(task, baseline, data) for baseline in own)]


def constant(task: Task, data: Prepared) -> Score:
    """Return the score of the best prediction that ignores the input."""
    prediction = task.constant(data.split("train").y)
    reached = []
    for name in ("val", "test"):
        split = data.split(name)
        predictions = np.broadcast_to(prediction, (len(split), *prediction.shape))
        reached.append(task.score(task.metric, predictions, split))
    return Score(CONSTANT, *reached)


def _score(task: Task, baseline: Baseline, data: Prepared) -> Score:
    validation = _measured(task, baseline, data, "val") if baseline.validated else None
    return Score(baseline.name, validation, _measured(task, baseline, data, "test"))


def _measured(task: Task, baseline: Baseline, data: Prepared, name: str) -> float:
    split = data.split(name)
    return task.score(task.metric, baseline.predict(task.assemble(np.asarray(split.x))), split)
