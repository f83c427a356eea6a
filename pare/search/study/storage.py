"""A study's trials in a database: read when a session begins, and told of every change.

The study that samplers and pruners ask is in memory, for they ask a hundred times a trial while its slot stands idle.
The database gets each change in few transactions: a trial when all of it is settled and its slot is at work, then each
of its reports and its end, before the sweep acts on them. So a trial that is there is whole, and one that is not there
has not reported.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy import event, make_url

from pare.data.task import Direction


class Database:
    """The trials of the study `name` at any URL of SQLAlchemy's, by their number. Without a URL nothing is kept."""

    def __init__(self, name: str, url: str | None, direction: Direction) -> None:
        self._storage = _storage(url)
        optuna.create_study(study_name=name, storage=self._storage, direction=direction, load_if_exists=True)
        self._study = self._storage.get_study_id_from_name(name)
        self.trials: list[FrozenTrial] = self._storage.get_all_trials(self._study)
        """As they are there; nobody else changes them, for one driver at a time holds a sweep."""
        self._ids = [trial._trial_id for trial in self.trials]

    def add(self, trial: FrozenTrial) -> None:
        """Take in a new trial, which has the next number; it is written by `settle`, and by the next `keep`."""
        self.trials.append(deepcopy(trial))  # Optuna changes its own in place

    def settle(self) -> None:
        """Write the trials that are new."""
        for trial in self.trials[len(self._ids) :]:
            self._ids.append(self._storage.create_new_trial(self._study, template_trial=trial))

    def keep(self, trial: FrozenTrial) -> None:
        """Write what has changed of a trial."""
        self.settle()
        known, there = self.trials[trial.number], self._ids[trial.number]
        for step, value in trial.intermediate_values.items():
            if step not in known.intermediate_values:
                self._storage.set_trial_intermediate_value(there, step, value)
        # That a trial was cut, a user attribute, comes before the pruner's memory of it, a system attribute: with the
        # latter alone a pruner that is asked again would let the trial go on.
        for key, value in _new(known.user_attrs, trial.user_attrs):
            self._storage.set_trial_user_attr(there, key, value)
        for key, value in _new(known.system_attrs, trial.system_attrs):
            self._storage.set_trial_system_attr(there, key, value)
        if trial.state != known.state:
            self._storage.set_trial_state_values(there, trial.state, trial.values)
        self.trials[trial.number] = deepcopy(trial)


def _new(known: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(key, value) for key, value in now.items() if key not in known or known[key] != value]


def _storage(url: str | None) -> BaseStorage:
    """The storage of a URL. A file of SQLite's writes a log ahead (WAL), which does not wait for the disk.

    A transaction takes 17 ms on a busy disk, with the log less than 2. A process that dies loses nothing; a machine
    that loses its power may lose the last ones.
    """
    if url is None:
        return InMemoryStorage()
    storage = RDBStorage(url)
    if make_url(url).get_backend_name() == "sqlite" and ":memory:" not in url:

        @event.listens_for(storage.engine, "connect")
        def _(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

        storage.engine.dispose()  # what is connected already was not asked
    return storage
