"""One task's Optuna study: the only state a sweep needs to resume.

A trial that was cut short is PRUNED with its intermediate values, a crashed or diverged one is FAIL with its reason,
and one that was RUNNING when a driver died resumes under its own number. The pruners are Optuna's rather than Tune's:
they keep their state in the study, so a resumed sweep prunes like an undisturbed one.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.distributions import check_distribution_compatibility
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from pare.config import MethodName, Run
from pare.data.task import Direction
from pare.errors import RequestError
from pare.search.study import SamplerName, SchedulerName, ShareUnit
from pare.search.study.domains import describe
from pare.search.study.halving import METHOD, Halving
from pare.search.study.journal import StudyJournal
from pare.search.study.samplers import TrialWindow, pruner, sampler
from pare.search.study.shares import SECONDS, Shares, used
from pare.search.study.space import Space, Values, to_run
from pare.search.study.storage import Database

_RUN, _WHY, _CUT = "run", "why", "cut"

EXPERIENCED = 20
"""Trials of a method that experience proposes before its share of them decays: as `EXPERIENCED` to those there were."""

Hints = Callable[[MethodName], Sequence[tuple[Space, Values]]]
"""Function that returns the best values of other tasks for a method, each with its space."""


class Proposal(NamedTuple):
    """A trial to run: its number in the study, its method, its run, and its searched values."""

    number: int
    method: MethodName
    run: Run
    searched: Mapping[str, Any]
    reported: Mapping[int, float]
    """Objective by epoch, if an earlier session began the trial."""


class Study:
    """Proposes, records and ends one task's trials. `trials` is their total number, earlier sessions included.

    The methods get equal shares of it, in units of `share`. Each begins with its published configuration, then the best
    values of other tasks of the sweep (`hints`), then what experience of recorded tasks expects most from; after
    `EXPERIENCED` trials the sampler proposes more and more of them. A `random` sampler proposes all but the first ones.
    Without a `storage` the study lasts as long as the process. A `journal` gets every change, for a bucket.

    Raises:
        RequestError: the study in the storage has settings whose domains Optuna cannot mix with those of the space.
    """

    def __init__(
        self,
        name: str,
        storage: str | None,
        direction: Direction,
        base: Run,
        space: Space,
        methods: Sequence[MethodName],
        trials: int,
        seed: int,
        sampler: SamplerName = "tpe",
        scheduler: SchedulerName = "asha",
        journal: StudyJournal | None = None,
        share: ShareUnit = "seconds",
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name, self.storage = name, storage
        self.space, self.epochs = space, base.epochs
        self.hints: Hints = lambda _: ()
        self._base, self._seed, self._trials, self._sampler = base, seed, trials, sampler
        self._database = Database(name, storage, direction, journal)
        earlier, self._database.trials = self._database.trials, []
        _require_compatible(space, earlier, storage)
        self._memory = InMemoryStorage()
        self._study = optuna.create_study(
            study_name=name, storage=self._memory, direction=direction, pruner=pruner(scheduler, base.epochs)
        )
        self._live: dict[int, Trial] = {}
        self._windows: dict[MethodName, TrialWindow] = defaultdict(lambda: TrialWindow(self._study.direction))
        self._best: dict[tuple[MethodName, TrialState], FrozenTrial] = {}
        self._shares = Shares(methods, share)
        self._whole: Counter[MethodName] = Counter()
        self._ended = 0
        for trial in earlier:
            self._memory.create_new_trial(self._study._study_id, template_trial=trial)
            self._shares.begin(trial.user_attrs[METHOD])
            if trial.state.is_finished():
                self._count(trial)
        self.methods = self._shares.methods(trials)
        """Methods of the trials, each once, in the order of their first trials."""
        self._unfinished = deque(trial for trial in earlier if not trial.state.is_finished())

    def ask(self, unfinished_only: bool = False) -> Proposal | None:
        """Return the next trial: first an earlier session's unfinished ones, then new ones; None if none is left."""
        if self._unfinished:
            unfinished = self._unfinished.popleft()
            self._live[unfinished.number] = Trial(self._study, self._id(unfinished.number))
            return _asked(unfinished)
        number = self._shares.begun.total()
        if unfinished_only or number >= self._trials:
            return None
        method = self._shares.next()
        known = self._known(method, number, self._shares.begun[method])
        if known is not None:
            self._study.enqueue_trial(known)
        running = [trial for trial in map(self._frozen, self._live) if trial.user_attrs[METHOD] == method]
        # A new sampler per trial, so that a proposal depends only on study and seed.
        among = self._windows[method].trials(running)
        self._study.sampler = sampler(self._sampler, self._seed + number, among)
        trial = self._study.ask()
        trial.set_user_attr(METHOD, method)
        run = self._base.replace({**self.space.suggest(trial, method), "method": method})
        trial.set_user_attr(_RUN, json.dumps(run.flat()))
        self._live[number] = trial
        self._shares.begin(method)
        frozen = self._frozen(number)
        self._database.add(frozen)
        return _asked(frozen)

    def _known(self, method: MethodName, number: int, turn: int) -> Values | None:
        """Return the fixed values of a method's `turn`-th trial; None if the sampler proposes them."""
        if turn == 0:
            return self.space.published(self._base, method)
        hints = self.hints(method)
        if turn <= len(hints):
            space, values = hints[turn - 1]
            return self.space.transferred(values, method, space)
        random = np.random.default_rng((self._seed, number))
        if self._sampler != "random" and random.random() < EXPERIENCED / turn:
            return self.space.promising(method, random)
        return None

    def report(self, number: int, epoch: int, objective: float) -> bool:
        """Record an epoch's objective once; return whether the trial is to continue."""
        trial = self._live[number]
        if epoch not in self._frozen(number).intermediate_values:
            trial.report(objective, epoch)
        # A trial resumed from a checkpoint repeats an epoch; asked again, the pruner could decide otherwise.
        cut = trial.should_prune() or _CUT in trial.user_attrs
        if cut:
            trial.set_user_attr(_CUT, True)
        self._keep(number)
        return not cut

    def complete(self, number: int, objective: float, seconds: float = 0.0) -> None:
        """End a trial that ran to its last epoch; `seconds` are those in its slot, over all sessions."""
        self._end(number, TrialState.COMPLETE, seconds, objective=objective)

    def prune(self, number: int, why: str = "", seconds: float = 0.0) -> None:
        """End a trial that was cut short."""
        self._end(number, TrialState.PRUNED, seconds, why)

    def fail(self, number: int, why: str, seconds: float = 0.0) -> None:
        """End a trial that crashed or diverged."""
        self._end(number, TrialState.FAIL, seconds, why)

    def _end(
        self, number: int, state: TrialState, seconds: float, why: str = "", objective: float | None = None
    ) -> None:
        trial = self._live.pop(number)
        trial.set_user_attr(SECONDS, round(seconds, 3))
        if why:
            trial.set_user_attr(_WHY, why)
        self._study.tell(trial, objective, state)
        self._count(self._frozen(number))
        self._keep(number)

    def settle(self) -> None:
        """Write new trials to the database. Deferred, so that it happens while they run."""
        self._database.settle()

    def _id(self, number: int) -> int:
        return self._memory.get_trial_id_from_study_id_trial_number(self._study._study_id, number)

    def _frozen(self, number: int) -> FrozenTrial:
        """Return the current state of a trial; Optuna replaces it on a change."""
        return self._memory.get_trial(self._id(number))

    def _keep(self, number: int) -> None:
        """Write the current state of a trial to the database."""
        self._database.keep(self._frozen(number))

    def _count(self, trial: FrozenTrial) -> None:
        """Record an ended trial."""
        self._ended += 1
        method: MethodName = trial.user_attrs[METHOD]
        self._whole[method] += trial.state == TrialState.COMPLETE
        self._windows[method].add(trial)
        if isinstance(self._study.pruner, Halving):
            self._study.pruner.ended(trial)
        self._shares.end(method, used(trial, self._shares.unit), trial.state == TrialState.FAIL)
        if trial.value is None:
            return
        sign = 1 if self._study.direction == StudyDirection.MINIMIZE else -1
        best = self._best.get((method, trial.state))
        # The lower number wins a tie, whichever ended first.
        if best is None or (sign * trial.value, trial.number) < (sign * (best.value or 0.0), best.number):
            self._best[method, trial.state] = trial

    def ended(self) -> list[FrozenTrial]:
        """Return all ended trials."""
        return [trial for trial in self._study.get_trials(deepcopy=False) if trial.state.is_finished()]

    @property
    def unfinished(self) -> int:
        """Number of trials that an earlier session left unfinished and this one has not resumed."""
        return len(self._unfinished)

    @property
    def left(self) -> int:
        """Number of trials of the request that have not ended."""
        return max(self._trials - self._ended, len(self._unfinished) + len(self._live))

    @property
    def over(self) -> bool:
        """Whether every trial of the request has ended."""
        return self.left == 0

    def best(self, method: MethodName) -> Proposal | None:
        """Return the method's best trial by validation among the complete ones, else among the pruned ones."""
        for state in (TrialState.COMPLETE, TrialState.PRUNED):
            if (method, state) in self._best:
                return _asked(self._best[method, state])
        return None

    def whole(self, method: MethodName) -> int:
        """Return the number of a method's trials that ran to their end."""
        return self._whole[method]

    def finalists(self, method: MethodName, count: int) -> list[Proposal]:
        """Return the method's best complete trials by validation, each of another configuration; else its best one."""
        sign = 1 if self._study.direction == StudyDirection.MINIMIZE else -1
        whole = [
            trial
            for trial in self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if trial.user_attrs[METHOD] == method and trial.value is not None
        ]
        ranked = map(_asked, sorted(whole, key=lambda trial: (sign * (trial.value or 0.0), trial.number)))
        found: dict[Run, Proposal] = {}
        for trial in ranked:
            found.setdefault(trial.run, trial)
            if len(found) == count:
                break
        best = self.best(method)
        return list(found.values()) or ([best] if best else [])

    def published(self, method: MethodName) -> Run:
        """Return the method's published configuration, which its first trial runs."""
        values = to_run(self.space.published(self._base, method), self.space.fixed)
        return self._base.replace({**values, "method": method})

    def pending_methods(self, seconds: Mapping[MethodName, float]) -> Sequence[MethodName]:
        """Return the methods of the request's trials that have not ended, if each takes the `seconds` of its method."""
        return self._shares.forecast(self._trials, seconds)


def _require_compatible(space: Space, trials: Sequence[FrozenTrial], storage: str | None) -> None:
    """Raise RequestError if a setting's domain changes otherwise than by an interval's ends, which Optuna refuses."""
    domains = {dimension.name: dimension.values for dimension in space.dimensions}
    for trial in trials:
        for name, values in trial.distributions.items():
            try:
                check_distribution_compatibility(values, domains.get(name, values))
            except ValueError:
                raise RequestError(
                    f"{storage}: its trials chose {name} from other values, {describe(values)} and not "
                    f"{describe(domains[name])}, which Optuna cannot mix: give those, another --out (or "
                    "--study-storage), or start anew with --fresh"
                ) from None


def _asked(trial: FrozenTrial) -> Proposal:
    run = Run.from_flat(json.loads(trial.user_attrs[_RUN]))
    return Proposal(trial.number, trial.user_attrs[METHOD], run, dict(trial.params), dict(trial.intermediate_values))
