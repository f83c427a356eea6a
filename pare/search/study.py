"""The study of one task: an Optuna study that is told the truth, and which is all that a sweep needs to go on.

A trial that was cut short is PRUNED with its intermediate values, a crashed or diverged one FAIL with its reason, and
what was RUNNING when a driver died is taken up again under its own number. The pruner is Optuna's asynchronous
successive halving rather than Tune's: its rungs live in the study, so a resumed sweep prunes as an undisturbed one.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from pare.config import MethodName, Run
from pare.search.space import Space
from pare.tasks.task import Task

REDUCTION = 3
"""ASHA: one trial in so many goes on to the next rung."""

_METHOD, _RUN, _WHY = "method", "run", "why"


class Asked(NamedTuple):
    """A trial to run: its number in the study, its method, its run, and the values searched for it."""

    number: int
    method: MethodName
    run: Run
    searched: Mapping[str, Any]


class WithinMethod(optuna.pruners.BasePruner):
    """Prunes a trial against those of its own method only.

    A curriculum starts with most patches replaced, behind plain fine-tuning in its first epochs by design: measured
    against that, every trial of PaRe would be cut.
    """

    def __init__(self, pruner: optuna.pruners.BasePruner) -> None:
        self._pruner = pruner

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return self._pruner.prune(_OfMethod(study, trial.user_attrs[_METHOD]), trial)  # type: ignore[arg-type]


class _OfMethod:
    """A study in which only one method's trials are seen."""

    def __init__(self, study: optuna.Study, method: str) -> None:
        self._study, self._method = study, method

    def get_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        return [t for t in self._study.get_trials(*args, **kwargs) if t.user_attrs.get(_METHOD) == self._method]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)


class Study:
    """Trials of one task: asked for, reported, ended. `trials` is their number in total, earlier sittings included."""

    def __init__(
        self,
        task: Task,
        base: Run,
        space: Space,
        methods: Sequence[MethodName],
        trials: int,
        storage: str,
        seed: int,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._base, self._space, self._seed, self._trials = base, space, seed, trials
        self._methods = schedule_methods(methods, trials)
        self._study = optuna.create_study(
            study_name=task.name,
            storage=storage,
            direction=task.metric.direction,
            pruner=WithinMethod(optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)),
            load_if_exists=True,
        )
        self._live: dict[int, Trial] = {}
        self._unfinished = [
            trial for trial in self._study.get_trials(deepcopy=False) if trial.state == TrialState.RUNNING
        ]

    def ask(self) -> Asked | None:
        """The next trial: what an earlier sitting left unfinished, then new ones; None when all were given out."""
        if self._unfinished:
            return self._define(Trial(self._study, self._unfinished.pop(0)._trial_id))
        trials = self._study.get_trials(deepcopy=False)
        number = sum(trial.state != TrialState.WAITING for trial in trials)
        if number >= self._trials:
            return None
        method = self._methods[number]
        if number == len(trials) and method not in self._methods[:number]:
            # The published configuration is each method's first trial.
            self._study.enqueue_trial(self._space.published(self._base, method))
        # A sampler of its own for every trial: what it proposes depends on the study alone, not on who asked before.
        self._study.sampler = sampler(self._seed + number)
        return self._define(self._study.ask())

    def _define(self, trial: Trial) -> Asked:
        """Settle what a trial runs; what an earlier sitting had settled of it stays."""
        self._live[trial.number] = trial
        method = self._methods[trial.number]
        values = self._space.suggest(trial, method)
        run = self._base.replace({**values, "method": method})
        trial.set_user_attr(_METHOD, method)
        trial.set_user_attr(_RUN, json.dumps(run.flat()))
        return Asked(trial.number, method, run, dict(trial.params))

    def report(self, number: int, epoch: int, objective: float) -> bool:
        """Tell the study of an epoch, once; returns whether the trial is worth another."""
        trial = self._live[number]
        known = self._study.get_trials(deepcopy=False)[number].intermediate_values
        if epoch not in known:
            # An epoch comes again where a trial went on from its checkpoint.
            trial.report(objective, epoch)
        return not trial.should_prune()

    def complete(self, number: int, objective: float) -> None:
        self._study.tell(self._live.pop(number), objective)

    def prune(self, number: int) -> None:
        self._study.tell(self._live.pop(number), state=TrialState.PRUNED)

    def fail(self, number: int, why: str) -> None:
        trial = self._live.pop(number)
        trial.set_user_attr(_WHY, why)
        self._study.tell(trial, state=TrialState.FAIL)

    def ended(self) -> list[FrozenTrial]:
        """Every trial that is over."""
        return [trial for trial in self._study.get_trials(deepcopy=False) if trial.state.is_finished()]

    @property
    def left(self) -> int:
        """How many trials of the request have not ended."""
        return max(self._trials - len(self.ended()), 0)

    @property
    def over(self) -> bool:
        """Whether every trial of the request has ended."""
        return self.left == 0

    def best(self, method: MethodName) -> Asked | None:
        """The method's best trial by validation: among those that ran to their end, else among those cut short."""
        minimise = self._study.direction == optuna.study.StudyDirection.MINIMIZE
        for state in (TrialState.COMPLETE, TrialState.PRUNED):
            candidates = [
                (trial.value, trial)
                for trial in self.ended()
                if trial.state == state and trial.user_attrs.get(_METHOD) == method and trial.value is not None
            ]
            if candidates:
                pick = min if minimise else max
                return _asked(pick(candidates, key=lambda pair: pair[0])[1])
        return None

    @property
    def methods(self) -> tuple[MethodName, ...]:
        """The methods among its trials, each once, in the order of their first."""
        return tuple(dict.fromkeys(self._methods))


def schedule_methods(methods: Sequence[MethodName], trials: int) -> list[MethodName]:
    """Which method each trial runs: in turn, with one trial of naive fine-tuning second where nobody asked for it.

    A sweep of one trial has no room for a comparison.
    """
    turns = [methods[number % len(methods)] for number in range(trials)]
    if "nft" not in methods and trials > 1:
        turns = [turns[0], "nft", *turns[1:-1]]
    return turns


def sampler(seed: int) -> optuna.samplers.BaseSampler:
    """TPE, multivariate; conditional settings in groups, running trials taken for bad ones so that workers spread."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            multivariate=True, group=True, constant_liar=True, n_startup_trials=5, seed=seed
        )


def _asked(trial: FrozenTrial) -> Asked:
    run = Run.from_flat(json.loads(trial.user_attrs[_RUN]))
    return Asked(trial.number, trial.user_attrs[_METHOD], run, dict(trial.params))
