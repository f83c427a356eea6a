"""Small problems for the search to be judged on: tasks and bodies whose whole training takes a second or two.

Of each there are few samples to train on, and many to validate and to test on, so that a curve is not chance alone.
"""

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from sklearn.datasets import load_digits

from pare import tasks
from pare.config import Run
from pare.data import checks
from pare.data.task import SPLITS, ProgressCallback, Raw, Recipe, Split, Task
from pare.losses import cross_entropy
from pare.method import body as bodies
from pare.method import catalogue
from pare.training import loop

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
SOURCES = 512
"""Source samples."""


@dataclass(frozen=True)
class Samples:
    """All samples of a task, one of each group, and the statistics that its model needs."""

    task: Task
    split: Split
    statistics: Mapping[str, np.ndarray]
    provenance: str


@dataclass(frozen=True)
class Problem:
    """What is trained: samples, how many of them to train, validate and test on, and the settings of the run."""

    read: Callable[[Path | None], Samples]
    sizes: tuple[int, int, int]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Data:
    """Splits in memory, as the training loop takes them."""

    splits: Mapping[str, Split]
    statistics: Mapping[str, np.ndarray]

    def split(self, name: str) -> Split:
        return self.splits[name]


class Arrays(Task):
    """Classes of samples that are in memory already."""

    kind, version, synthetic, files, homepage = "classification", 1, "simulated", (), ""
    metric = checks.ERROR
    criterion = staticmethod(cross_entropy)
    paper, laptop, recipes = {}, {}, {}

    def __init__(self, name: str, shape: tuple[int, ...], classes: int) -> None:
        vars(self).update(name=name, title=name, shape=shape, output_shape=(classes,))

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        raise NotImplementedError

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        raise NotImplementedError

    def encode(self, raw: np.ndarray) -> np.ndarray:
        return raw


@contextmanager
def _written(task: Task, recipe: Recipe) -> Iterator[Raw]:
    """What a task reads of the files that it synthesises, as long as they are there."""
    with tempfile.TemporaryDirectory() as folder:
        task.write_synthetic(Path(folder), recipe, lambda *_: None)
        yield task.read(Path(folder), lambda *_: None)


def of_package(name: str, recipe: Recipe, _files: Path | None = None) -> Samples:
    """A task of the package, its data synthesised: one sample of each group (record, field)."""
    task = tasks.get(name)
    with _written(task, recipe) as raw:
        splits = [getattr(raw, name) for name in SPLITS]
        parts = [part(split, np.unique(split.group, return_index=True)[1]) for split in splits]
    x, y = (np.concatenate([getattr(each, name) for each in parts]) for name in ("x", "y"))
    return Samples(task, Split(x, y, np.arange(len(x))), raw.statistics, task.synthetic)


def of_arrays(name: str, shape: tuple[int, ...], x: np.ndarray, y: np.ndarray) -> Samples:
    """A task of arrays x (n, …) and labels y (n,)."""
    x, y = x.astype(np.float32).reshape(-1, *shape), np.unique(y, return_inverse=True)[1]
    each = (shape[0],) + (1,) * (len(shape) - 1)
    statistics = {"input_mean": np.full(each, x.mean()), "input_std": np.full(each, x.std())}
    task = Arrays(name, shape, int(y.max()) + 1)
    return Samples(task, Split(x, y.astype(np.int64), np.arange(len(x))), statistics, "real")


def digits(_files: Path | None = None) -> Samples:
    """scikit-learn's digits, 8 × 8."""
    x, y = load_digits(return_X_y=True)
    return of_arrays("digits", (1, 8, 8), x, y)


def ucr(name: str, files: Path | None) -> Samples:
    """A set of the UCR archive, its two parts together."""
    if files is None:
        raise SystemExit(f"{name} needs --files DIR, with ucr/{name}/{name}_TRAIN.tsv and _TEST.tsv in it")
    rows = np.concatenate([np.loadtxt(files / "ucr" / name / f"{name}_{half}.tsv") for half in ("TRAIN", "TEST")])
    return of_arrays(name.lower(), (1, rows.shape[1] - 1), rows[:, 1:], rows[:, 0])


def part(split: Split, rows: Any) -> Split:
    return Split(np.array(split.x[rows]), np.array(split.y[rows]), np.array(split.group[rows]))


def drawn(samples: Samples, sizes: tuple[int, int, int]) -> Data:
    """So many samples to train, validate and test on, in a fixed random order."""
    order = np.random.default_rng(0).permutation(len(samples.split))
    train, val, test, _ = np.split(order, np.cumsum(sizes))
    splits = {name: part(samples.split, np.sort(rows)) for name, rows in zip(SPLITS, (train, val, test), strict=True)}
    return Data(splits, samples.statistics)


def rates(rate: float) -> dict[str, float]:
    return {f"optimizer.lr.{group}": rate for group in ("embedder", "body", "gate", "heads")}


OWN = {
    "curriculum.start": 0.5,
    "curriculum.end": 0.0,
    "optimizer.weight_decay": 0.01,
    "optimizer.warmup": 0.1,
    "optimizer.batch": 16,
    "epochs": 9,
    **rates(1e-3),
}
"""Settings of data on which no paper reports: the same as of a user's own."""

REAL = {**OWN, **rates(3e-4), "body": MINILM, "source": "text", "num_hidden_layers": 1}
"""Settings of a pretrained language model of the hub, of which the first layer is kept."""


def published(name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The laptop preset of a task of the package, for as many epochs as all."""
    task = tasks.get(name)
    return {**task.paper, **task.laptop, "epochs": OWN["epochs"], **changes}


PROBLEMS: Mapping[str, Problem] = {
    "ecg": Problem(
        partial(of_package, "ecg", {"records": 1100, "seconds": 9.0, "seed": 18}),
        (128, 450, 450),
        published("ecg", {"optimizer.batch": 16}),
    ),
    "advection": Problem(
        partial(of_package, "pde-advection", {"samples": 300, "seed": 0}),
        (96, 80, 120),
        published("pde-advection", {"patch": 16, "optimizer.batch": 8}),
    ),
    "darcy": Problem(
        partial(of_package, "darcy", {"train": 80, "test": 40, "resolution": 85, "seed": 0}),
        (24, 30, 40),
        published("darcy", {"optimizer.batch": 4}),
    ),
    "digits": Problem(digits, (96, 200, 400), {**OWN, "body": "swin-mini", "source": "fractals"}),
    "electricdevices": Problem(partial(ucr, "ElectricDevices"), (64, 200, 400), {**REAL, "patch": 12}),
    "ecg5000": Problem(partial(ucr, "ECG5000"), (48, 250, 400), {**REAL, "patch": 20}),
}


class Ready:
    """A problem in memory: `base`, the run around which configurations are drawn, and what it is trained on."""

    def __init__(self, name: str, files: Path | None) -> None:
        problem = PROBLEMS[name]
        samples = problem.read(files)
        self.name, self.task, self.provenance = name, samples.task, samples.provenance
        self.sizes = dict(zip(SPLITS, problem.sizes, strict=True))
        self.data = drawn(samples, problem.sizes)
        settings = dict(problem.settings)
        top = {key: settings.pop(key) for key in ("body", "source")}
        self.base = Run(task=name, data=name, source_data=top["source"], **top).replace(settings)
        self.body = _body(top["body"], files)
        source = tasks.get(top["source"])
        self.source = source.for_body(str(files / _folder(top["body"]))) if files and "/" in top["body"] else source
        with _written(self.source, self.source.recipes["laptop"]) as raw:
            splits = {name: part(getattr(raw, name), slice(SOURCES)) for name in SPLITS}
            self.source_data = Data(splits, raw.statistics)

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """While it is open, runs copy the body from memory, and nobody takes pictures of them or saves them."""

        def load(*_: Any, layers: int = 0, **__: Any) -> bodies.Body:
            body = copy.deepcopy(self.body)
            if layers:
                body.cut(layers)
            return body

        never = mock.patch.object(loop, "due", return_value=False)
        with mock.patch.object(bodies, "load", load), mock.patch.object(loop, "Saver"), never:
            yield


def _folder(body: str) -> str:
    """Where a body of the hub lies among the files."""
    return f"bodies/{body.rpartition('/')[2]}"


def _body(name: str, files: Path | None) -> bodies.Body:
    """A body; of the package's Swin the first two stages only, for images of 32 × 32: an eighth of the cost."""
    if "/" in name and files is None:
        raise SystemExit(f"{name} needs --files DIR, with {_folder(name)} in it")
    if name != "swin-mini":
        return bodies.load(str(files / _folder(name)) if files and "/" in name else name)
    body = bodies.from_config({**catalogue.SMALL[name], "image_size": 32, "depths": [2, 2], "num_heads": [2, 4]})
    whole = bodies.load(name).state_dict()
    kept = {key: whole[key] for key, own in body.state_dict().items() if key in whole and whole[key].shape == own.shape}
    body.load_state_dict(kept, strict=False)  # but for the final norm
    return body
