"""Optuna's samplers and pruners, restricted to the trials of one method.

A curriculum starts with most patches replaced, so by design it trails plain fine-tuning in its first epochs: compared
with that, every trial of PaRe would be pruned. And a method that learned from another's trials would use more than its
share of the budget.
"""

from __future__ import annotations

import math
import warnings
from bisect import insort
from collections.abc import Container, Iterable, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from pare.search.study import SamplerName, SchedulerName
from pare.search.study.halving import METHOD, Halving, MeasuredHalving

STARTUP = 5
"""Trials of a method before its sampler fits a model to them."""

WINDOW = 256
"""Number of a method's ended trials that the sampler sees: a quarter the best, a quarter the latest, half a sample."""

_SCATTER = 2_654_435_761
"""Knuth's multiplicative hash: 2³² divided by the golden ratio."""

_RUNNING = 250
"""Number of running trials, the latest, that the sampler sees, so that it proposes something else."""


class TrialWindow:
    """Selects the trials of one method that its sampler sees; the selection depends on the study alone.

    A tree-structured Parzen estimator takes at most 25 trials as good, which are always among the best; the sample
    makes the others represent the whole search, not only its end. CMA-ES continues from the latest. So a proposal costs
    the same after 256 trials and after 10,000.
    """

    def __init__(self, direction: StudyDirection) -> None:
        self._sign = 1 if direction == StudyDirection.MINIMIZE else -1
        self._best: list[tuple[Any, int, FrozenTrial]] = []
        self._latest: list[tuple[int, FrozenTrial]] = []
        self._sample: list[tuple[int, int, FrozenTrial]] = []

    def add(self, trial: FrozenTrial) -> None:
        """Add an ended trial; ignore a failed one."""
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            insort(self._best, (self._rank(trial), trial.number, trial))
            insort(self._latest, (trial.number, trial))
            # The trials with the least hashed numbers: an even sample, independent of the order in which they ended.
            insort(self._sample, (trial.number * _SCATTER % 2**32, trial.number, trial))
            quarter = WINDOW // 4
            del self._best[quarter:], self._latest[:-quarter], self._sample[WINDOW:]

    def trials(self, running: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials that a sampler sees while `running` run, by number."""
        seen = {number: trial for _, number, trial in self._best} | dict(self._latest)
        for _, number, trial in self._sample:
            if len(seen) == WINDOW:
                break
            seen[number] = trial
        seen |= {trial.number: trial for trial in sorted(running, key=lambda trial: trial.number)[-_RUNNING:]}
        return [seen[number] for number in sorted(seen)]

    def _rank(self, trial: FrozenTrial) -> tuple[bool, int, float]:
        """Return the sort key of Optuna's sampler: complete trials by value, then pruned trials by their last step."""
        if trial.state == TrialState.COMPLETE:
            return False, 0, self._sign * (trial.value or 0.0)
        step = trial.last_step
        if step is None:
            return True, 1, 0.0
        value = trial.intermediate_values[step]
        return True, -step, math.inf if math.isnan(value) else self._sign * value


def sampler(name: SamplerName, seed: int, among: Sequence[FrozenTrial]) -> BaseSampler:
    """Return a new sampler for one trial, which proposes from the trials `among`.

    Each trial has its own, so that a proposal depends only on those trials and the seed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        inner: BaseSampler
        if name == "tpe":
            # Each setting by itself: of some twenty settings, tens of trials say too little about them together.
            # Running trials count as bad ones, so that workers spread.
            inner = TPESampler(constant_liar=True, n_startup_trials=STARTUP, seed=seed)
        elif name == "gp":
            inner = GPSampler(n_startup_trials=STARTUP, seed=seed, warn_independent_sampling=False)
        elif name == "cmaes":
            inner = CmaEsSampler(n_startup_trials=STARTUP, seed=seed, warn_independent_sampling=False)
        else:
            inner = RandomSampler(seed=seed)
    return _SamplerAmong(inner, among)


def pruner(name: SchedulerName, epochs: int) -> BasePruner:
    """Return the pruner of a study whose trials last `epochs`; it keeps its state in the study."""
    if name == "hyperband":
        # Successive halving in brackets whose first rung is epoch 1, 3, 9…
        by = Halving.reduction
        rungs = [by**rung for rung in range(int(math.log(epochs, by)) + 1)]
        return Halving([rungs[bracket:] for bracket in range(len(rungs))])
    if name == "asha":
        return MeasuredHalving(epochs)
    if name == "median":
        return _PrunerOfMethod(MedianPruner(n_startup_trials=3, n_warmup_steps=1))
    return NopPruner()


class _PrunerOfMethod(BasePruner):
    """Compares a trial only with trials of its own method."""

    def __init__(self, inner: BasePruner) -> None:
        self._inner = inner

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        method = trial.user_attrs[METHOD]
        same = [each for each in study.get_trials(deepcopy=False) if each.user_attrs.get(METHOD) == method]
        return self._inner.prune(_Among(study, same), trial)  # type: ignore[arg-type]


class _SamplerAmong(BaseSampler):
    """Proposes from a subset of a study's trials."""

    def __init__(self, inner: BaseSampler, among: Sequence[FrozenTrial]) -> None:
        self._inner, self._among = inner, among

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._inner.infer_relative_search_space(self._seen(study), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._inner.sample_relative(self._seen(study), trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._inner.sample_independent(self._seen(study), trial, param_name, param_distribution)

    def _seen(self, study: optuna.Study) -> Any:
        return _Among(study, self._among)


class _Among:
    """A view of a study that shows only some of its trials."""

    def __init__(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> None:
        self._study, self._seen = study, trials

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:  # noqa: ARG002
        return [trial for trial in self._seen if states is None or trial.state in states]

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,  # noqa: ARG002
    ) -> list[FrozenTrial]:
        return self.get_trials(deepcopy, states)

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.get_trials()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)
