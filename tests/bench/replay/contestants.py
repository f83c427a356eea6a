"""Searches that are compared, behind one interface: ours, Optuna's as it ships them, and Syne Tune's where installed.

`pip install --no-deps syne-tune dill` brings the last; the package does not need it. A search without conditional
settings (Syne Tune's) proposes all of them, and those that do not apply are left out.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import logging
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.pruners import NopPruner, SuccessiveHalvingPruner
from optuna.samplers import GPSampler, RandomSampler, TPESampler

from pare.search.study.study import Study
from tests.bench.record import METHOD
from tests.bench.replay.surrogate import Surrogate

Values = Mapping[str, Any]


class Contestant(Protocol):
    """A search that is asked for trials, and told of each of their epochs; lower is better."""

    def ask(self) -> tuple[int, Values]:
        """Return the number and the values of a new trial."""

    def report(self, number: int, epoch: int, best: float) -> bool:
        """Tell the best metric so far after an epoch; return whether the trial goes on."""

    def end(self, number: int, best: float, whole: bool) -> None:
        """Tell that a trial has ended."""


class Ours(Study):
    """The package's own study. Without `published` its sampler starts from nothing."""

    def __init__(self, surrogate: Surrogate, seed: int, published: bool, trials: int = 2000, **options: Any) -> None:
        # In memory; the study counts on from its seed, trial by trial.
        super().__init__(
            surrogate.name,
            None,
            "minimize",
            surrogate.base,
            surrogate.space,
            ("pare",),
            trials,
            100_000 * seed,
            share="trials",
            **options,
        )
        self._starts = published

    def _known(self, method: Any, number: int, turn: int) -> Any:
        return super()._known(method, number, turn) if self._starts else None

    def ask(self, unfinished_only: bool = False) -> Any:
        proposal: Any = super().ask(unfinished_only)
        while proposal.method != METHOD:  # the trial of naive fine-tuning, which costs every search the same
            self.prune(proposal.number)
            proposal = super().ask()
        return proposal.number, proposal.searched

    def end(self, number: int, best: float, whole: bool) -> None:
        if whole:
            self.complete(number, best)
        else:
            self.prune(number)


class Optuna:
    """A study of Optuna's with a sampler and a pruner as they ship."""

    def __init__(self, surrogate: Surrogate, seed: int, published: bool, sampler: Any, pruner: Any = NopPruner) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study = optuna.create_study(sampler=sampler(seed=seed), pruner=pruner())
        self._space = surrogate.space
        if published:
            self._study.enqueue_trial(surrogate.space.published(surrogate.base, METHOD))
        self._live: dict[int, optuna.Trial] = {}

    def ask(self) -> tuple[int, Values]:
        trial = self._study.ask()
        self._space.suggest(trial, METHOD)
        self._live[trial.number] = trial
        return trial.number, dict(trial.params)

    def report(self, number: int, epoch: int, best: float) -> bool:
        self._live[number].report(best, epoch)
        return not self._live[number].should_prune()

    def end(self, number: int, best: float, whole: bool) -> None:
        state = optuna.trial.TrialState.COMPLETE if whole else optuna.trial.TrialState.PRUNED
        self._study.tell(self._live.pop(number), best if whole else None, state)


class SyneTune:
    """A scheduler of Syne Tune's."""

    def __init__(self, surrogate: Surrogate, seed: int, published: bool, name: str) -> None:
        from syne_tune.backend.trial_status import Trial
        from syne_tune.optimizer import baselines

        np.random.seed(seed)  # noqa: NPY002 - its brackets use it
        self._space, self._trial = surrogate.space, Trial
        space, middle = _flat(surrogate.space)
        start = middle | dict(surrogate.space.published(surrogate.base, METHOD))
        self._scheduler = getattr(baselines, name)(
            config_space=space,
            metric="best",
            time_attr="epoch",
            max_t=surrogate.base.epochs,
            random_seed=seed,
            points_to_evaluate=[start] if published else None,
        )
        self._live: dict[int, Any] = {}
        self._count = 0

    def ask(self) -> tuple[int, Values]:
        with contextlib.redirect_stdout(io.StringIO()):
            config = self._scheduler.suggest().config
        trial = self._trial(self._count, config, datetime.datetime.now())
        self._scheduler.on_trial_add(trial)
        self._live[self._count], self._count = trial, self._count + 1
        chosen: dict[str, Any] = {}
        for dimension in self._space.dimensions:
            if dimension.applies(METHOD, chosen):
                chosen[dimension.name] = config[dimension.name]
        return trial.trial_id, chosen

    def report(self, number: int, epoch: int, best: float) -> bool:
        decision = self._scheduler.on_trial_result(self._live[number], {"best": best, "epoch": epoch})
        return str(decision) == "CONTINUE"

    def end(self, number: int, best: float, whole: bool) -> None:  # noqa: ARG002
        self._live.pop(number)


def _flat(space: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """All dimensions in Syne Tune's terms, and a value of each."""
    from syne_tune import config_space as cs

    flat, middle = {}, {}
    for dimension in space.dimensions:
        of = dimension.values
        if isinstance(of, CategoricalDistribution):
            flat[dimension.name], middle[dimension.name] = cs.choice(list(of.choices)), of.choices[0]
        elif isinstance(of, IntDistribution):
            flat[dimension.name], middle[dimension.name] = cs.randint(of.low, of.high), of.low
        else:
            flat[dimension.name] = (cs.loguniform if of.log else cs.uniform)(of.low, of.high)
            middle[dimension.name] = (of.low * of.high) ** 0.5 if of.log else (of.low + of.high) / 2
    return flat, middle


Maker = Callable[[Surrogate, int], Contestant]


def makers(gp: bool) -> dict[str, Maker]:
    """The contestants by name, each with the published configuration as its first trial and without."""
    bases: dict[str, Callable[..., Any]] = {
        "pare": Ours,
        "random": partial(Optuna, sampler=RandomSampler),
        "TPE": partial(Optuna, sampler=TPESampler),
        "TPE + ASHA": partial(Optuna, sampler=TPESampler, pruner=SuccessiveHalvingPruner),
    }
    if gp:
        bases["GP"] = partial(Optuna, sampler=GPSampler)
    try:
        import syne_tune  # noqa: F401

        logging.getLogger("syne_tune").setLevel(logging.ERROR)
        bases |= {f"Syne Tune {name}": partial(SyneTune, name=name) for name in ("ASHA",)}
    except ImportError:
        pass
    found: dict[str, Maker] = {}
    for name, make in bases.items():
        found[f"{name}, published first"] = partial(make, published=True)
        found[f"{name}, from nothing"] = partial(make, published=False)
    return found
