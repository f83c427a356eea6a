"""A study's trials in a database: reads them when a session begins, and writes every change.

Samplers and pruners read a study in memory, because they read it a hundred times per trial while the slot is idle. The
database gets each change in one transaction: a new trial once it is complete and its slot is running, then each of its
reports and its end, before the sweep acts on them. So a trial in the database is whole, and a trial that is not there
has not reported.

Optuna's own storage takes a transaction for every value, 28 ms for a trial. Here it only creates the tables, which
Optuna's tools can read while the sweep runs; our own statements read and write the rows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.storages import RDBStorage
from optuna.storages._rdb import models  # the schema, which Optuna has no public name for
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from sqlalchemy import URL, Connection, create_engine, event, make_url, select, update

from pare.data.task import Direction
from pare.search.study.journal import StudyJournal, replay

_TRIALS, _PARAMS, _VALUES, _STEPS, _USER, _SYSTEM = (
    model.__table__
    for model in (
        models.TrialModel,
        models.TrialParamModel,
        models.TrialValueModel,
        models.TrialIntermediateValueModel,
        models.TrialUserAttributeModel,
        models.TrialSystemAttributeModel,
    )
)
_ATTRIBUTES = ((_USER, "user_attrs"), (_SYSTEM, "system_attrs"))


class _Ended(FrozenTrial):
    """A trial that will not change, so that storages, which copy their trials, do not copy it."""

    def __deepcopy__(self, _memo: Any) -> _Ended:
        return self


class Database:
    """The trials of the study `name` at any SQLAlchemy URL, by number. Without a URL nothing is stored.

    It keeps ended trials in memory only in `trials`. A `journal` gets every change first.
    """

    def __init__(self, name: str, url: str | None, direction: Direction, journal: StudyJournal | None = None) -> None:
        self._journal = journal
        self._storage = _storage(url) if url is not None else None
        self._ids: dict[int, int] = {}
        """Database identifiers of the trials that have not ended, by number."""
        self._known: dict[int, FrozenTrial] = {}
        """State in the database of the trials that have not ended, by number."""
        self._new: list[FrozenTrial] = []
        self.trials: list[FrozenTrial] = []
        """Trials in the database when the session began; no other driver changes them, as this one holds the lock."""
        if self._storage is not None:
            optuna.create_study(study_name=name, storage=self._storage, direction=direction, load_if_exists=True)
            self._study = self._storage.get_study_id_from_name(name)
            with self._storage.engine.connect() as connection:
                self.trials = _read(connection, self._study)
        for trial in self.trials:
            if not trial.state.is_finished():
                self._ids[trial.number], self._known[trial.number] = trial._trial_id, trial

    def add(self, trial: FrozenTrial) -> None:
        """Add a new trial, which has the next number; `settle` or the next `keep` writes it."""
        if self._storage is not None:
            self._new.append(_snapshot(trial))

    def settle(self) -> None:
        """Write the new trials."""
        if self._storage is not None and self._new:
            with self._storage.engine.begin() as connection:
                self._insert(connection)

    def keep(self, trial: FrozenTrial) -> None:
        """Write the new trials, and the changes of this trial."""
        if self._storage is not None:
            with self._storage.engine.begin() as connection:
                self._insert(connection)
                known = self._known[trial.number]
                if self._journal:
                    self._journal.write(trial, known)
                _write(connection, {self._ids[trial.number]: trial}, known)
                if trial.state != known.state:
                    now = {"state": trial.state, "datetime_complete": _utc(trial.datetime_complete)}
                    own = _TRIALS.c.trial_id == self._ids[trial.number]
                    connection.execute(update(_TRIALS).where(own).values(now))
            self._note(trial, self._ids[trial.number])

    def _insert(self, connection: Connection) -> None:
        """Write the new trials: one statement each, which returns the identifier, then one per table for all."""
        written = {}
        for trial in self._new:
            if self._journal:
                self._journal.write(trial, None)
            row = {
                "study_id": self._study,
                "number": trial.number,
                "state": trial.state,
                "datetime_start": _utc(trial.datetime_start),
                "datetime_complete": _utc(trial.datetime_complete),
            }
            key = connection.execute(_TRIALS.insert().values(row)).inserted_primary_key
            assert key is not None  # noqa: S101 - an inserted row has a key
            written[key[0]] = trial
        if written:
            _write(connection, written)
        for there, trial in written.items():
            self._note(trial, there)
        self._new.clear()

    def _note(self, trial: FrozenTrial, there: int) -> None:
        if trial.state.is_finished():
            self._ids.pop(trial.number, None)
            self._known.pop(trial.number, None)
        else:
            self._ids[trial.number], self._known[trial.number] = there, _snapshot(trial)


def sqlite(path: Path) -> str:
    """Return the SQLite URL of a file, whatever characters its path has."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def read_trials(url: str, name: str) -> list[FrozenTrial]:
    """Read the current trials of a study by number, without changing the database."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            study = select(models.StudyModel.study_id).where(models.StudyModel.study_name == name)
            return _read(connection, connection.execute(study).scalar_one())
    finally:
        engine.dispose()


def catch_up(path: Path, journals: Sequence[Path]) -> None:
    """Apply journals to a study's SQLite file."""
    url = f"sqlite:///{path}"
    engine = create_engine(url)
    with engine.connect() as connection:
        study = connection.execute(select(models.StudyModel.study_id, models.StudyModel.study_name)).one()
        direction = connection.execute(select(models.StudyDirectionModel.direction)).scalar_one()
    engine.dispose()
    database = Database(study.study_name, url, "minimize" if direction == StudyDirection.MINIMIZE else "maximize")
    for trial in replay(database.trials, journals):
        if trial.number >= len(database.trials):
            database.add(trial)
        elif trial.number in database._known:
            database.keep(trial)
    database.settle()
    if database._storage is not None:
        database._storage.engine.dispose()


def _snapshot(trial: FrozenTrial) -> FrozenTrial:
    """Copy a trial, because Optuna changes its contents later."""
    same = copy(trial)
    same.intermediate_values = dict(trial.intermediate_values)
    same._user_attrs, same._system_attrs = dict(trial.user_attrs), dict(trial.system_attrs)
    return same


def _write(connection: Connection, trials: Mapping[int, FrozenTrial], known: FrozenTrial | None = None) -> None:
    """Write the changes of trials, by identifier, since `known`; params are written only with a new trial."""
    rows: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for there, trial in trials.items():
        for step, value in trial.intermediate_values.items():
            if known is None or step not in known.intermediate_values:
                stored = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
                columns = dict(zip(("intermediate_value", "intermediate_value_type"), stored, strict=True))
                rows[_STEPS].append({"trial_id": there, "step": step, **columns})
        if trial.value is not None and (known is None or known.value is None):
            number, kind = models.TrialValueModel.value_to_stored_repr(trial.value)
            rows[_VALUES].append({"trial_id": there, "objective": 0, "value": number, "value_type": kind})
        for name, value in trial.params.items() if known is None else ():
            distribution = trial.distributions[name]
            internal = distribution.to_internal_repr(value)
            param = {"param_name": name, "param_value": internal, "distribution_json": _json(distribution)}
            rows[_PARAMS].append({"trial_id": there, **param})
        for table, attribute in _ATTRIBUTES:
            earlier = {} if known is None else getattr(known, attribute)
            for key, value in getattr(trial, attribute).items():
                if key not in earlier:
                    rows[table].append({"trial_id": there, "key": key, "value_json": json.dumps(value)})
                elif earlier[key] != value:
                    own = (table.c.trial_id == there) & (table.c.key == key)
                    connection.execute(update(table).where(own).values(value_json=json.dumps(value)))
    for table, each in rows.items():
        connection.execute(table.insert(), each)


def _read(connection: Connection, study: int) -> list[FrozenTrial]:
    """Read all trials of a study by number; equal distributions share one object."""
    found: dict[int, FrozenTrial] = {}
    own = select(_TRIALS).where(_TRIALS.c.study_id == study).order_by(_TRIALS.c.number)
    for row in connection.execute(own):
        kind = _Ended if row.state.is_finished() else FrozenTrial
        found[row.trial_id] = kind(
            number=row.number,
            state=row.state,
            value=None,
            datetime_start=_local(row.datetime_start),
            datetime_complete=_local(row.datetime_complete),
            params={},
            distributions={},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
            trial_id=row.trial_id,
        )

    def rows(table: Any) -> Iterator[tuple[FrozenTrial, Any]]:
        ours = table.c.trial_id == _TRIALS.c.trial_id
        first = next(iter(table.primary_key))
        for row in connection.execute(select(table).where(ours, _TRIALS.c.study_id == study).order_by(first)):
            if row.trial_id in found:  # a running driver may have added others since
                yield found[row.trial_id], row

    for trial, row in rows(_VALUES):
        trial.values = [models.TrialValueModel.stored_repr_to_value(row.value, row.value_type)]
    for trial, row in rows(_STEPS):
        stored = row.intermediate_value, row.intermediate_value_type
        value = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value(*stored)
        trial.intermediate_values[row.step] = value
    for trial, row in rows(_PARAMS):
        distribution = _distribution(row.distribution_json)
        trial._distributions[row.param_name] = distribution
        trial._params[row.param_name] = distribution.to_external_repr(row.param_value)
    for each, attribute in _ATTRIBUTES:
        for trial, row in rows(each):
            getattr(trial, f"_{attribute}")[row.key] = json.loads(row.value_json)
    return list(found.values())


_distribution = cache(json_to_distribution)


@cache
def _json(distribution: BaseDistribution) -> str:
    return distribution_to_json(distribution)


def _utc(local: datetime | None) -> datetime | None:
    """Convert Optuna's naive local time to the naive UTC time of the tables."""
    return None if local is None else local.astimezone(UTC).replace(tzinfo=None)


def _local(utc: datetime | None) -> datetime | None:
    return None if utc is None else utc.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)


def _storage(url: str) -> RDBStorage:
    """Open the storage of a URL; a SQLite file uses write-ahead logging (WAL), which does not wait for the disk.

    A transaction takes 17 ms on a busy disk, with WAL less than 2. A killed process loses nothing; a machine that loses
    power may lose the last transactions.
    """
    storage = RDBStorage(url)
    if make_url(url).get_backend_name() == "sqlite" and ":memory:" not in url:

        @event.listens_for(storage.engine, "connect")
        def _(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

        storage.engine.dispose()  # existing connections lack the setting
    return storage
