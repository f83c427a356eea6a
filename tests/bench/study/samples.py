"""What a seed trains, and is judged, on: training samples drawn by the seed, and a test split that is large enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pare import tasks
from pare.data import store
from pare.data.task import Split

TEST_WINDOWS = 2600
"""ECG windows that are scored, of records that no training split has."""

VALIDATION = (60, 480)
"""Validation samples of a run with a budget: as many as it has labels, within these bounds."""


@dataclass(frozen=True)
class StudyData:
    """Splits in memory, as the training loop takes them."""

    splits: Mapping[str, Split]
    statistics: Mapping[str, np.ndarray] = field(default_factory=dict)

    def split(self, name: str) -> Split:
        return self.splits[name]


Limit = Callable[[Path, store.Prepared, int], StudyData]
"""Function of a data root, prepared data and a seed that returns what that seed trains, and is judged, on."""


def take(split: Split, rows: np.ndarray) -> Split:
    return Split(split.x[rows], split.y[rows], split.group[rows])


def as_prepared(root: Path, prepared: store.Prepared, seed: int) -> StudyData:
    """All samples, whatever the seed."""
    return StudyData({name: prepared.split(name) for name in ("train", "val", "test")}, prepared.statistics)


def fresh_windows(root: Path) -> Split:
    """ECG windows of records simulated with another seed, which no run trains on."""
    fresh = store.prepare(tasks.get("ecg"), root / "fresh", "laptop", lambda *_: None)
    parts = [fresh.split(name) for name in ("train", "val", "test")]
    test = Split(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y", "group")))
    return take(test, np.linspace(0, len(test) - 1, min(TEST_WINDOWS, len(test))).astype(int))


def quarter_of_records(root: Path, prepared: store.Prepared, seed: int) -> StudyData:
    """Every fourth training record, from the seed's own offset on; scored on fresh records."""
    train = prepared.split("train")
    records = np.unique(train.group)[seed % 4 :: 4]
    rows = np.flatnonzero(np.isin(train.group, records))
    splits = {"train": take(train, rows), "val": prepared.split("val"), "test": fresh_windows(root)}
    return StudyData(splits, prepared.statistics)


def labels_per_class(count: int) -> Limit:
    """So many training samples of each class, drawn by the seed; validation and test as prepared."""

    def limit(root: Path, prepared: store.Prepared, seed: int) -> StudyData:
        train = prepared.split("train")
        order = np.random.default_rng((seed, 77)).permutation(len(train))
        rows = np.sort(np.concatenate([order[train.y[order] == k][:count] for k in np.unique(train.y)]))
        return StudyData({**as_prepared(root, prepared, seed).splits, "train": take(train, rows)}, prepared.statistics)

    return limit


def draw(split: Split, count: int, rng: np.random.Generator, dense: bool) -> np.ndarray:
    """Rows of `count` samples, sorted: one of each class first, the rest by chance; all of them if there are fewer."""
    order = rng.permutation(len(split))
    if not dense:
        _, first = np.unique(split.y[order], return_index=True)
        order = np.concatenate([order[first], np.delete(order, first)])
    return np.sort(order[:count])


def with_budget(prepared: store.Prepared, labels: int, seed: int, dense: bool) -> StudyData:
    """So many training samples drawn by the seed, and about as many to validate on; all of the test split."""
    rng = np.random.default_rng((seed, 79))
    train, val = prepared.split("train"), prepared.split("val")
    least, most = VALIDATION
    splits = {
        "train": take(train, draw(train, labels, rng, dense)),
        "val": take(val, draw(val, min(max(labels, least), most), rng, dense)),
        "test": prepared.split("test"),
    }
    return StudyData(splits, prepared.statistics)
