"""Asynchronous successive halving, within the trials of one method.

After a tenth of its training a trial says little about its end, and a curriculum makes that worse: whatever mixes most
looks worst early, by design. So by default a rung cuts only while its ranking of trials carries to the end of training:
while the rank correlation between the values at both is at least `BOUND`. That is known from recorded curves at first,
then from what the study sees.
"""

from __future__ import annotations

import math
from bisect import bisect, insort
from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from statistics import NormalDist

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import spearmanr

METHOD = "method"
"""User attribute of a trial that names its method."""

PROGRESS = (1 / 9, 4 / 9)
"""Progress of training at the rungs."""

RECORDED: Sequence[float] = (0.47, 0.73)
"""Rank correlation of the best validation metric at each rung with the test metric at the end, in the mean over the
problems of `tests/bench/search.py` that settings were chosen on; 160 configurations of each."""

WEIGHT = 5
"""Number of trials that the recorded correlation weighs as much as."""

BOUND = 0.4
"""Least rank correlation at which a rung cuts."""

_LATEST = 100
"""Number of whole trials, the latest, that the correlation is measured on."""

_MOST = 0.95
"""Greatest correlation that a few trials can show."""


class Halving(BasePruner):
    """Optuna's asynchronous successive halving within a trial's method and bracket.

    It decides as Optuna's own pruner and stores its decisions in the study as that does, but keeps the values of each
    rung sorted, so that a decision takes as long after 10,000 trials as after ten. `brackets` are the epochs of the
    rungs of each bracket; trials take the brackets in turn.
    """

    reduction = 3
    """One trial in so many goes on to the next rung."""
    least = 1
    """Number of the best at a rung that go on, however few there are."""

    def __init__(self, brackets: Sequence[Sequence[int]]) -> None:
        self._brackets = brackets
        self._values: dict[tuple[str, int, int], list[float]] | None = None
        """Values by method, bracket and rung, ascending; None before the first decision."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        step = trial.last_step
        if step is None:
            return False
        if self._values is None:
            self._values = self._remembered(study)
        value, minimize = trial.intermediate_values[step], study.direction == StudyDirection.MINIMIZE
        method, bracket, done = trial.user_attrs[METHOD], trial.number % len(self._brackets), len(completed(trial))
        for rung, epoch in list(enumerate(self._brackets[bracket]))[done:]:
            if step < epoch:
                break
            if math.isnan(value):
                return True
            study._storage.set_trial_system_attr(trial._trial_id, _key(rung), value)
            values = self._values.setdefault((method, bracket, rung), [])
            insort(values, value)
            among = max(len(values) // self.reduction, self.least)
            worse = value > values[:among][-1] if minimize else value < values[-among:][0]
            if worse and self._may_cut(trial, rung):
                return True
        return False

    def ended(self, trial: FrozenTrial) -> None:
        """Note the end of a trial."""

    def _may_cut(self, trial: FrozenTrial, rung: int) -> bool:  # noqa: ARG002
        return True

    def _remembered(self, study: optuna.Study) -> dict[tuple[str, int, int], list[float]]:
        found: dict[tuple[str, int, int], list[float]] = {}
        for trial in study.get_trials(deepcopy=False):
            for rung, value in enumerate(completed(trial)):
                key = trial.user_attrs[METHOD], trial.number % len(self._brackets), rung
                found.setdefault(key, []).append(value)
        return {key: sorted(values) for key, values in found.items()}


class MeasuredHalving(Halving):
    """Successive halving at the rungs whose ranking carries to the end of training."""

    reduction = 4
    least = 2  # with one, a second trial had to beat the published configuration after a ninth of its epochs

    def __init__(self, epochs: int) -> None:
        self._recorded = list(rungs(epochs).values())
        super().__init__([list(rungs(epochs))])
        self._ends: dict[tuple[str, int], list[tuple[int, float, float]]] = defaultdict(list)
        """Number, value at a rung, and value at the end of whole trials, by method and rung."""

    def ended(self, trial: FrozenTrial) -> None:
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            for rung, value in enumerate(completed(trial)[: len(self._recorded)]):
                ends = self._ends[trial.user_attrs[METHOD], rung]
                insort(ends, (trial.number, value, trial.value))
                del ends[:-_LATEST]

    def correlation(self, method: str, rung: int) -> float:
        """Return the estimated rank correlation of a method's values at a rung with those at the end of training.

        Whole trials are those that the rungs let pass, among which the correlation looks smaller than it is.
        Thorndike's formula (1949, case 2) corrects it by how much narrower their values at the rung are than those of
        all trials, as normal scores; and the narrower they are, the less they weigh.
        """
        known, ends = self._recorded[rung], self._ends[method, rung]
        every = (self._values or {}).get((method, 0, rung), [])
        if len(ends) <= 3 or not every:
            return known
        _, values, last = zip(*ends, strict=True)
        scores = [NormalDist().inv_cdf((bisect(every, value) - 0.5) / len(every)) for value in values]
        among = float(np.clip(np.nan_to_num(spearmanr(values, last).statistic), -_MOST, _MOST))
        wider = max(1 / max(float(np.std(scores)), 0.01), 1.0)
        measured = among * wider / math.hypot(1, among * math.sqrt(wider**2 - 1))
        seen = (len(ends) - 3) / wider**2  # degrees of freedom of Fisher's transformation
        measured = float(np.clip(measured, -_MOST, _MOST))
        return math.tanh((WEIGHT * math.atanh(known) + seen * math.atanh(measured)) / (WEIGHT + seen))

    def _may_cut(self, trial: FrozenTrial, rung: int) -> bool:
        return self.correlation(trial.user_attrs[METHOD], rung) >= BOUND


def rungs(epochs: int) -> dict[int, float]:
    """Return the epochs of the rungs of trials that last `epochs`, each with its recorded correlation."""
    found = {math.ceil(progress * epochs): known for progress, known in zip(PROGRESS, RECORDED, strict=True)}
    return {epoch: known for epoch, known in found.items() if epoch < epochs}


def completed(trial: FrozenTrial) -> list[float]:
    """Return a trial's values at the rungs that it has completed."""
    attributes = trial.system_attrs
    last = next(rung for rung in count() if _key(rung) not in attributes)
    return [attributes[_key(rung)] for rung in range(last)]


def _key(rung: int) -> str:
    return f"completed_rung_{rung}"
