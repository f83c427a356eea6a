"""What a task's trivial predictor reaches, to stand beside every result: several published ones are behind it."""

from typing import NamedTuple

import numpy as np

from pare.data.store import Prepared
from pare.data.task import Baseline, Task


class Score(NamedTuple):
    """The name of a trivial predictor and its metric on both splits that a leaderboard shows."""

    name: str
    validation: float
    test: float


def score(task: Task, data: Prepared) -> Score | None:
    """Fit the task's trivial predictor on the training split and measure it; None where the task has none."""
    trivial = task.baseline(data.split("train"))
    if trivial is None:
        return None
    return Score(trivial.name, *(_measured(task, trivial, data, name) for name in ("val", "test")))


def _measured(task: Task, trivial: Baseline, data: Prepared, name: str) -> float:
    split = data.split(name)
    return task.score(task.metric, trivial.predict(task.assemble(np.asarray(split.x))), split)
