"""The data of a study: which task, which training samples a seed gets, and a test split that is large enough.

A task's name may end in a budget of labels: `crop@120` trains on 120 labelled samples. Runs with a budget have about
as many updates whatever it is, so that a small one is not merely trained for less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from pare import tasks
from pare.data import store
from pare.data.task import Split, Task
from pare.tasks.own import importer

TEST_WINDOWS = 2600
"""ECG windows that are scored, of records that no training split has."""

UPDATES = 600
"""Updates of a run with a budget of labels, as far as whole epochs allow."""

MOST_EPOCHS, LEAST_EPOCHS = 75, 5
VALIDATION = (60, 480)
"""Validation samples of a run with a budget: as many as it has labels, within these bounds."""


@dataclass(frozen=True)
class StudyData:
    """Splits in memory, as the training loop takes them."""

    splits: Mapping[str, Split]
    statistics: Mapping[str, np.ndarray] = field(default_factory=dict)

    def split(self, name: str) -> Split:
        return self.splits[name]


@dataclass(frozen=True)
class Setting:
    """A task of the study. `limit` turns prepared data and a seed into what that seed trains, and is judged, on."""

    task: str
    source: str
    settings: Mapping[str, Any]
    limit: Callable[[Path, store.Prepared, int], StudyData]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """What is generated, where the laptop's data is too little."""
    dense: bool = False


def rates(rate: float) -> dict[str, float]:
    return {f"optimizer.lr.{group}": rate for group in ("embedder", "body", "gate", "heads")}


def take(split: Split, rows: np.ndarray) -> Split:
    return Split(split.x[rows], split.y[rows], split.group[rows])


def _fresh_windows(root: Path) -> Split:
    """ECG windows of records simulated with another seed, which no run trains on."""
    fresh = store.prepare(tasks.get("ecg"), root / "fresh", "laptop", lambda *_: None)
    parts = [fresh.split(name) for name in ("train", "val", "test")]
    test = Split(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y", "group")))
    return take(test, np.linspace(0, len(test) - 1, min(TEST_WINDOWS, len(test))).astype(int))


def _quarter_of_records(root: Path, prepared: store.Prepared, seed: int) -> StudyData:
    """Every fourth training record, from the seed's own offset on; scored on fresh records."""
    train = prepared.split("train")
    records = np.unique(train.group)[seed % 4 :: 4]
    rows = np.flatnonzero(np.isin(train.group, records))
    splits = {"train": take(train, rows), "val": prepared.split("val"), "test": _fresh_windows(root)}
    return StudyData(splits, prepared.statistics)


def labels_per_class(count: int) -> Callable[[Path, store.Prepared, int], StudyData]:
    """So many training samples of each class, drawn by the seed; validation and test as prepared."""

    def limit(root: Path, prepared: store.Prepared, seed: int) -> StudyData:
        train = prepared.split("train")
        order = np.random.default_rng((seed, 77)).permutation(len(train))
        rows = np.sort(np.concatenate([order[train.y[order] == k][:count] for k in np.unique(train.y)]))
        splits = {"train": take(train, rows), "val": prepared.split("val"), "test": prepared.split("test")}
        return StudyData(splits, prepared.statistics)

    return limit


def budget(name: str) -> tuple[str, int]:
    """A task's name without its budget of labels, and the budget; 0: none."""
    task, _, labels = name.partition("@")
    return task, int(labels or 0)


def limited(name: str, root: Path, prepared: store.Prepared, seed: int) -> StudyData:
    """What a seed trains, and is judged, on."""
    task, labels = budget(name)
    setting = SETTINGS[task]
    if not labels:
        return setting.limit(root, prepared, seed)
    rng = np.random.default_rng((seed, 79))
    train, val = prepared.split("train"), prepared.split("val")
    least, most = VALIDATION
    chosen = {"train": _draw(train, labels, rng, setting.dense)}
    chosen["val"] = _draw(val, min(max(labels, least), most), rng, setting.dense)
    splits = {name: take(split, chosen[name]) for name, split in (("train", train), ("val", val))}
    test = _fresh_windows(root) if task == "ecg" else prepared.split("test")
    return StudyData({**splits, "test": test}, prepared.statistics)


def _draw(split: Split, count: int, rng: np.random.Generator, dense: bool) -> np.ndarray:
    """Rows of `count` samples, sorted: one of each class first, the rest by chance; all of them if there are fewer."""
    order = rng.permutation(len(split))
    if not dense:
        _, first = np.unique(split.y[order], return_index=True)
        order = np.concatenate([order[first], np.delete(order, first)])
    return np.sort(order[:count])


def _series(name: str, patch: int) -> Setting:
    """A set of the UCR archive."""
    own = {"epochs": 20, "body": "roberta-mini", "optimizer.batch": 64, "patch": patch}
    return Setting(name, "signals", own, labels_per_class(30))


SETTINGS: Mapping[str, Setting] = {
    "ecg": Setting(
        "ecg", "signals", {**tasks.get("ecg").paper, **tasks.get("ecg").laptop, "epochs": 12}, _quarter_of_records
    ),
    "digits": Setting(
        "digits", "fractals", {"epochs": 25, "body": "swin-mini", "optimizer.batch": 32}, labels_per_class(20)
    ),
    "crop": _series("crop", patch=1),
    "electricdevices": _series("electricdevices", patch=2),
    "fordb": _series("fordb", patch=10),
    "darcy": Setting(
        "darcy",
        "fractal-masks",
        {**tasks.get("darcy").paper, **tasks.get("darcy").laptop},
        lambda _, prepared, __: StudyData({name: prepared.split(name) for name in ("train", "val", "test")}),
        recipe={"train": 400, "test": 200, "resolution": 169, "seed": 7},
        dense=True,
    ),
}
_OWN = {
    "curriculum.start": 0.5,
    "curriculum.end": 0.0,
    "optimizer.weight_decay": 0.01,
    "optimizer.warmup": 0.1,
    **rates(1e-3),
}
_PUBLISHED = {"ecg": "simulated", "darcy": "generated"}
"""Tasks with settings of their own, and their data; the others are real, and take the settings of the user's data."""


def provenance(name: str) -> str:
    """Whether a task's data is real, generated or simulated."""
    return _PUBLISHED.get(budget(name)[0], "real")


def settings(name: str) -> dict[str, Any]:
    """The run's settings of a task of the study, those of the laptop preset but for its epochs and labels."""
    task, labels = budget(name)
    own = dict(SETTINGS[task].settings)
    chosen = own if task in _PUBLISHED else {**_OWN, **own}
    if labels:
        batch = min(chosen["optimizer.batch"], max(8, 2 ** int(np.log2(labels / 6))))
        epochs = round(UPDATES / -(-labels // batch))
        chosen |= {"optimizer.batch": batch, "epochs": min(MOST_EPOCHS, max(LEAST_EPOCHS, epochs))}
    return chosen


def task_of(name: str) -> Task:
    """The task of a setting, with the recipe that the study generates it by."""
    setting = SETTINGS[budget(name)[0]]
    task = tasks.get(setting.task)
    if setting.recipe:
        type(task).recipes = {**task.recipes, "laptop": setting.recipe}
    return task


def prepare(name: str, root: Path, files: Path | None) -> Task:
    """Make a task of the study, and its source, ready below `root`; returns the task."""
    name, _ = budget(name)
    if name not in _PUBLISHED:
        importer.bring(root, name, _npz(name, root, files), kind="classification")
    elif name == "ecg":
        _simulate_ecg(root)
    task = task_of(name)
    for one in (task, tasks.get(SETTINGS[name].source)):
        store.prepare(one, root, "laptop", lambda *_: None)
    return task


def _simulate_ecg(root: Path) -> None:
    """Fresh records, of which all three splits are scored."""
    raw = root / "fresh" / "ecg" / "raw"
    task = tasks.get("ecg")
    if not (raw / task.files[0]).exists():
        raw.mkdir(parents=True, exist_ok=True)
        task.write_synthetic(raw, {**task.recipes["laptop"], "seed": 2026, "records": 260}, lambda *_: None)
    store.prepare(task, root / "fresh", "laptop", lambda *_: None)


def _npz(name: str, root: Path, files: Path | None) -> Path:
    """A file for the own-data task, with its splits: digits of scikit-learn, or a UCR set packed by `pack`."""
    path = root / f"{name}.npz"
    if name == "digits":
        x, y = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(x))
        split = np.full(len(x), "test", dtype="<U5")
        split[order[:600]], split[order[600:800]] = "train", "val"
        np.savez(path, x=x.reshape(-1, 8, 8).astype(np.float32), y=y, split=split)
    elif files is None or not (files / f"{name}.npz").exists():
        raise SystemExit(f"{name} needs --files DIR with {name}.npz: make it of the UCR archive's files with `pack`")
    else:
        with np.load(files / f"{name}.npz") as packed:
            np.savez(path, x=packed["x"].astype(np.float32), y=packed["y"], split=packed["split"])
    return path


def pack(archive: Path, name: str, out: Path) -> None:
    """A set of the UCR archive (<Name>_TRAIN.tsv, <Name>_TEST.tsv) as a small .npz with splits, 4,000 for the test.

    Series that are there twice, as numbers of half precision, are kept once, so that no split knows another's.
    """
    parts = [np.loadtxt(archive / name / f"{name}_{part}.tsv") for part in ("TRAIN", "TEST")]
    rows = np.concatenate(parts)
    _, first = np.unique(rows[:, 1:].astype(np.float16), axis=0, return_index=True)
    rng = np.random.default_rng(0)
    train, test = (rng.permutation(first[part]) for part in (first < len(parts[0]), first >= len(parts[0])))
    chosen = np.concatenate([train, test[:4000]])
    split = np.array(["train"] * len(train) + ["test"] * min(len(test), 4000))
    split[:480] = "val"
    x, y = rows[chosen, 1:].astype(np.float16), rows[chosen, 0].astype(np.int64)
    np.savez_compressed(out, x=x, y=y, split=split)
