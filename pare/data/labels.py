"""A budget of training labels: a sweep trains on so many labelled samples, drawn by class, and leaves the rest unused.

What it trains on rests beside the whole data, under a key that names budget and seed, so that every run, baseline and
machine reads the same rows. Validation and test are those of the whole.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pare.data import arrow, store
from pare.data.store import META, Prepared
from pare.data.task import Raw, Split, Task
from pare.errors import RequestError

_CHUNK = 2**26
"""Bytes of samples in memory at a time, about."""

_STREAM = 0x1ABE1
"""Keeps the numbers that draw labels apart from others of the same seed."""


@dataclass(frozen=True)
class LabelBudget:
    """The number of training labels, and the seed that draws them. A larger budget holds the labels of a smaller."""

    labels: int
    seed: int

    def key(self, whole: str) -> str:
        """Return the key of the data of this budget, from the key of the whole."""
        return f"{whole}-{self.labels}-labels-{self.seed}"


def parse(key: str) -> tuple[str, LabelBudget | None]:
    """Return the key of the whole data that `key` is drawn from, and the budget, None where it is the whole."""
    found = re.fullmatch(r"(.+)-(\d+)-labels-(\d+)", key)
    return (found[1], LabelBudget(int(found[2]), int(found[3]))) if found else (key, None)


def prepare(task: Task, whole: Prepared, budget: LabelBudget) -> Prepared:
    """Make the data of a budget ready beside the whole, if it is not.

    Raises:
        RequestError: the budget is larger than what is there, or smaller than one label of each class.
    """
    key = budget.key(whole.key)
    store.atomic_dir(whole.root / key, partial(_write, task, whole, budget))
    return store.load(whole.root, key)


def count(task: Task, train: Split) -> int:
    """Return the number of labels in a training split."""
    return len(_first(task, train))


def draw(task: Task, train: Split, budget: LabelBudget) -> np.ndarray:
    """Return the rows of a training split whose labels the budget buys, in their order.

    Classes keep their shares, but each has one label at least; of several labels at once, each that occurs. Regression
    and dense targets are drawn at random.

    Raises:
        RequestError: as `prepare` does.
    """
    first = _first(task, train)
    by_class = task.kind in ("classification", "multilabel")  # fields may be larger than memory
    rank, least = _ranked(task, train.y[first] if by_class else np.zeros(len(first)), budget.seed)
    if not least <= budget.labels <= len(first):
        held = "samples" if len(first) == len(train) else f"groups, of {len(train):,} samples, with a label each"
        remedy = f"give {least} to {len(first)}" + (", one of each class or more" if least > 1 else "")
        raise RequestError(f"--labels is {budget.labels}: {task.name} has {len(first):,} training {held}; {remedy}")
    chosen = np.zeros(len(first), dtype=bool)
    chosen[rank[: budget.labels]] = True
    return np.flatnonzero(np.repeat(chosen, np.diff([*first, len(train)])))


def _first(task: Task, train: Split) -> np.ndarray:
    """Return the first row of each label: of a group where an epoch visits it once, or all its samples agree."""
    group = np.asarray(train.group)
    first = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    if len(first) < len(train) and not task.drawn_by_group:
        y, own = train.y, np.repeat(first, np.diff([*first, len(train)]))
        if task.kind == "dense" or not np.array_equal(y, y[own]):
            return np.arange(len(train))
    return first


def _ranked(task: Task, y: np.ndarray, seed: int) -> tuple[np.ndarray, int]:
    """Return labels (n,) in the order in which budgets buy them, and how many come first, one for each class."""
    order = np.random.default_rng((seed, _STREAM)).permutation(len(y))
    y = y[order]
    # The j-th of a class's n labels is due at (j + ½) / n, as Webster's method gives seats; the first of each at once.
    due = (np.arange(len(y)) + 0.5) / len(y)
    if task.kind == "classification":
        for label in np.unique(y):
            own = np.flatnonzero(y == label)
            due[own] = (np.arange(len(own)) + 0.5) / len(own)
            due[own[0]] = 0
    elif task.kind == "multilabel":
        occurs = (y > 0).sum(axis=0)
        for label in np.argsort(occurs, kind="stable"):  # the label of a rare class often serves a common one
            own = np.flatnonzero(y[:, label] > 0)
            if len(own) and (due[own] > 0).all():
                due[own[0]] = 0
    return order[np.argsort(due, kind="stable")], max(1, int((due == 0).sum()))


def _write(task: Task, whole: Prepared, budget: LabelBudget, folder: Path) -> None:
    train = whole.split("train")
    rows = draw(task, train, budget)
    size = max(1, _CHUNK // (train.x[0].nbytes + train.y[0].nbytes))
    chunks = (_rows(train, rows[start : start + size]) for start in range(0, len(rows), size))
    store.write_split(task, "train", Raw(chunks, (), ()), folder)
    chosen = arrow.read(folder / "train.arrow")
    arrays: dict[str, Any] = {**whole.statistics, **task.statistics_of(chosen)}
    np.savez(folder / store.STATISTICS, **arrays)
    made = json.loads((folder / META).read_text(encoding="utf-8"))
    meta = json.loads((whole.root / whole.key / META).read_text(encoding="utf-8"))
    for name, of in (("counts", "count"), ("classes", "classes"), ("sha256", "sha256")):
        meta[name]["train"] = made[of]
    for name in ("val", "test"):
        store.link(whole.root / whole.key / f"{name}.arrow", folder / f"{name}.arrow")
    (folder / META).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")


def _rows(split: Split, rows: np.ndarray) -> Split:
    return Split(split.x[rows], split.y[rows], split.group[rows])
