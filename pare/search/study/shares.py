"""Each method's share of a study, in slot-seconds, epochs or trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy

from optuna.trial import FrozenTrial

from pare.config import MethodName
from pare.search.study import ShareUnit

REFERENCE: MethodName = "nft"
"""Naive fine-tuning, of which every study has at least one trial."""

SECONDS = "seconds"
"""User attribute of an ended trial: seconds in its slot, all sessions included."""


class Shares:
    """Gives each of a study's trials a method, so that the methods get equal shares of it.

    The first trials are one of each method, in order; if naive fine-tuning is not among the methods, its only trial
    comes second. Every other trial goes to the method that has used least. A running trial counts as the mean ended
    trial of its method, and a failed one as no less, so that a method that always fails at once does not get the rest.
    A choice depends only on the trials and what they have used, so that a resumed study chooses the same.
    """

    def __init__(self, methods: Sequence[MethodName], unit: ShareUnit) -> None:
        self.unit = unit
        self._methods = methods
        self._first = methods if REFERENCE in methods else (*methods[:1], REFERENCE, *methods[1:])
        self.begun: Counter[MethodName] = Counter()
        """Number of trials of each method so far."""
        # Whole numbers, so that no sum depends on the order in which trials end.
        self._ended: Counter[MethodName] = Counter()
        self._used: Counter[MethodName] = Counter()
        self._failed: Counter[MethodName] = Counter()
        self._used_by_failed: Counter[MethodName] = Counter()

    def begin(self, method: MethodName) -> None:
        """Count a new trial."""
        self.begun[method] += 1

    def end(self, method: MethodName, used: int, failed: bool = False) -> None:
        """Count an ended trial and what it used, see `used`."""
        (self._failed if failed else self._ended)[method] += 1
        (self._used_by_failed if failed else self._used)[method] += used

    def next(self) -> MethodName:
        """Return the method of the next trial."""
        for method in self._first:
            if not self.begun[method]:
                return method
        return min(self._methods, key=lambda method: (self._share(method), self.begun[method]))

    def _share(self, method: MethodName) -> float:
        """Return what a method has used, what its running trials may use included."""
        failed = self._failed[method]
        running = self.begun[method] - self._ended[method] - failed
        mean = self._mean(method)
        return self._used[method] + max(self._used_by_failed[method], failed * mean) + running * mean

    def _mean(self, method: MethodName) -> float:
        """Return the mean use of a method's trials; until one has ended, of all trials."""
        if self._ended[method]:
            return self._used[method] / self._ended[method]
        return self._used.total() / self._ended.total() if self._ended else 1.0

    def methods(self, trials: int) -> tuple[MethodName, ...]:
        """Return the methods of a study of `trials` trials, in the order of their first ones."""
        new = [method for method in self._first if not self.begun[method]]
        return (*self.begun, *new[: max(0, trials - self.begun.total())])

    def forecast(self, trials: int, seconds: Mapping[MethodName, float]) -> list[MethodName]:
        """Return the methods of all trials that have not ended, if each takes the `seconds` of its method."""
        ahead = deepcopy(self)
        methods = [m for m, begun in self.begun.items() for _ in range(begun - self._ended[m] - self._failed[m])]
        for method in methods:
            ahead.end(method, ahead._amount(method, seconds))
        while ahead.begun.total() < trials:
            methods.append(method := ahead.next())
            ahead.begin(method)
            ahead.end(method, ahead._amount(method, seconds))
        return methods

    def _amount(self, method: MethodName, seconds: Mapping[MethodName, float]) -> int:
        return round(1000 * seconds.get(method, 0.0)) if self.unit == "seconds" else 1


def used(trial: FrozenTrial, unit: ShareUnit) -> int:
    """Return what an ended trial has used: milliseconds, epochs or 1."""
    if unit == "trials":
        return 1
    if unit == "epochs":
        return trial.last_step or 0
    seconds = trial.user_attrs.get(SECONDS)
    if seconds is None:  # a trial of an earlier version
        seconds = trial.duration.total_seconds() if trial.duration else 0.0
    return round(1000 * seconds)
