"""How the next trial is proposed and when one is cut short: Optuna's samplers and pruners, a method at a time.

A curriculum starts with most patches replaced, behind plain fine-tuning in its first epochs by design: measured against
that, every trial of PaRe would be cut. And a method that learned from another's trials would have more than its share
of the budget. So samplers and pruners see the trials of one method only.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from pare.config import MethodName

SamplerName = Literal["tpe", "gp", "cmaes", "random"]
SchedulerName = Literal["asha", "median", "hyperband", "none"]

REDUCTION = 3
"""Of successive halving: one trial in so many goes on to the next rung."""

STARTUP = 5
"""Trials of a method before its sampler relies on a model of them."""

METHOD = "method"
"""The user attribute of a trial that names its method."""


def sampler(name: SamplerName, seed: int, method: MethodName) -> BaseSampler:
    """The sampler of one trial. One of its own for each: what it proposes depends on the study and its seed alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        inner: BaseSampler
        if name == "tpe":
            # Conditional settings in groups; running trials are taken for bad ones, so that workers spread.
            inner = TPESampler(multivariate=True, group=True, constant_liar=True, n_startup_trials=STARTUP, seed=seed)
        elif name == "gp":
            inner = GPSampler(n_startup_trials=STARTUP, seed=seed, warn_independent_sampling=False)
        elif name == "cmaes":
            inner = CmaEsSampler(n_startup_trials=STARTUP, seed=seed, warn_independent_sampling=False)
        else:
            inner = RandomSampler(seed=seed)
    return _SamplerOfMethod(inner, method)


def pruner(name: SchedulerName, epochs: int) -> BasePruner:
    """The pruner of a study whose trials last `epochs`; its memory lies in the study."""
    if name == "hyperband":
        # Successive halving whose first rung is an epoch, three, nine…, by turns.
        rates = int(math.log(epochs, REDUCTION)) + 1
        return _PrunerOfMethod([_halving(rate) for rate in range(rates)])
    if name == "asha":
        return _PrunerOfMethod([_halving(0)])
    if name == "median":
        return _PrunerOfMethod([MedianPruner(n_startup_trials=3, n_warmup_steps=1)])
    return NopPruner()


def _halving(rate: int) -> SuccessiveHalvingPruner:
    return SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION, min_early_stopping_rate=rate)


class _PrunerOfMethod(BasePruner):
    """Measures a trial against those of its own method and, where there are several brackets, its own bracket."""

    def __init__(self, brackets: list[BasePruner]) -> None:
        self._brackets = brackets

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        count, method = len(self._brackets), trial.user_attrs[METHOD]
        bracket = trial.number % count
        peers = _Peers(study, lambda t: t.user_attrs.get(METHOD) == method and t.number % count == bracket)
        return self._brackets[bracket].prune(peers, trial)  # type: ignore[arg-type]


class _SamplerOfMethod(BaseSampler):
    """Proposes from the trials of one method."""

    def __init__(self, inner: BaseSampler, method: MethodName) -> None:
        self._inner, self._method = inner, method

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._inner.infer_relative_search_space(self._peers(study), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._inner.sample_relative(self._peers(study), trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._inner.sample_independent(self._peers(study), trial, param_name, param_distribution)

    def _peers(self, study: optuna.Study) -> Any:
        return _Peers(study, lambda trial: trial.user_attrs.get(METHOD) == self._method)


class _Peers:
    """A study in which only some trials are seen."""

    def __init__(self, study: optuna.Study, among: Callable[[FrozenTrial], bool]) -> None:
        self._study, self._among = study, among

    def get_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        return [trial for trial in self._study.get_trials(*args, **kwargs) if self._among(trial)]

    def _get_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        return [trial for trial in self._study._get_trials(*args, **kwargs) if self._among(trial)]

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.get_trials()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)
