"""A task of the user's own data: what `sweeps/own.py` makes of a file, described by a specification instead of a class.

The specification lies below the data root, beside the data; the environment variable `PARE_OWN` names its file, and
travels to Ray's workers. A finished model holds it too, so that it predicts anywhere.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from pare.errors import DataError, RequestError
from pare.method.criterion import binary_cross_entropy, cross_entropy, squared_error
from pare.tasks import OWN, own_files, own_metrics, samples
from pare.tasks.tabular import Encoder, rows_text
from pare.tasks.task import SPLITS, Kind, Progress, Raw, Recipe, Split, Task, Trivial

Layout = Literal["sequence", "image"]
_FILE = "data.npz"
_TOKENS = 50
_LARGE = 20_000_000
"""Numbers in the training split above which logistic regression would take longer than a trial."""


@dataclass(frozen=True)
class Specification:
    """All that tells one's own task from another's; plain, for it rests as JSON."""

    name: str
    kind: Kind
    raw: tuple[int, ...]
    """Of one sample as the user has it, without batch axis; of a table, its columns."""
    shape: tuple[int, ...]
    outputs: tuple[int, ...]
    labels: tuple[str, ...]
    metric: str
    weights: tuple[float, ...]
    """Of each class in the loss: inverse to its share of the training samples."""
    train: int
    columns: dict[str, list[str] | None] | None = None
    """Of a table: see `tabular.Encoder`."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Specification:
        """From JSON, where tuples are lists."""
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **lists})


class Own(Task):
    """The task of a specification."""

    def __init__(self, specification: Specification) -> None:
        own = self.specification = specification
        losses: Mapping[str, Any] = {
            "classification": functools.partial(_weighted, own.weights),
            "multilabel": binary_cross_entropy,
            "dense": squared_error,
        }
        settings = _settings(own)
        vars(self).update(
            name=own.name,
            title=f"{own.name} (own data)",
            kind=own.kind,
            version=1,
            shape=own.shape,
            outputs=own.outputs,
            labels=own.labels,
            metric=own_metrics.METRICS[own.metric],
            criterion=losses[own.kind],
            files=(_FILE,),
            where="sweeps/own.py, which makes it of --data",
            synthetic="simulated",
            paper=settings["paper"],
            laptop=settings["laptop"],
            recipes={},
        )

    def synthesise(self, folder: Path, recipe: Recipe, progress: Progress) -> None:  # noqa: ARG002
        """Nothing stands in for one's own data."""
        raise DataError(f"{folder} lacks {_FILE}: run sweeps/own.py with --data")

    def read(self, folder: Path, progress: Progress) -> Raw:
        """The samples as `bring` left them; inputs and dense outputs are normalised by the training split's figures."""
        try:
            with np.load(folder / _FILE, allow_pickle=False) as file:
                x, y, group, split = (file[name] for name in ("x", "y", "group", "split"))
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise DataError(f"{folder / _FILE} is damaged ({error}): run sweeps/own.py with --data again") from error
        parts = {}
        for name in SPLITS:
            rows = np.flatnonzero(split == name)
            rows = rows[np.argsort(group[rows], kind="stable")]  # samples of a group lie together
            parts[name] = Split(x[rows], y[rows], group[rows])
        statistics = _statistics("input", parts["train"].x, by_feature=self.specification.columns is not None)
        if self.kind == "dense":
            statistics |= _statistics("output", parts["train"].y, by_feature=False, scalar=self.outputs == self.extent)
        progress(1, 1)
        return Raw(**parts, statistics=statistics)

    def encode(self, raw: Any) -> np.ndarray:
        """Samples as they were in the user's file, or rows of its table (data frame) → (n, *shape) float32."""
        own = self.specification
        if own.columns is not None:
            x = Encoder(own.columns).encode(raw)[:, None]
        else:
            x = samples.batch(raw, (own.raw,), f"samples (n, {', '.join(map(str, own.raw))})").astype(np.float32)
            x = arranged(x, "image" if len(own.shape) == 3 else "sequence")
        # Patches must divide a sequence: its last value fills up what is missing.
        missing = own.shape[-1] - x.shape[-1]
        return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, missing)], mode="edge") if missing else x

    def trivial(self, train: Split) -> Trivial | None:
        """Logistic regression on the standardised numbers, for classes, where that is quick."""
        if self.kind != "classification" or train.x.size > _LARGE:
            return None
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        model.fit(np.array(train.x).reshape(len(train), -1), np.array(train.y))
        return Trivial("logistic regression", lambda x: model.predict_proba(x.reshape(len(x), -1)))


def arranged(x: np.ndarray, layout: Layout) -> np.ndarray:
    """Samples (n, …) as sequences (n, C, L) or images (n, C, H, W); of images, 1, 3 or 4 channels may come last."""
    if x.ndim == (2 if layout == "sequence" else 3):
        return x[:, None]
    last = layout == "image" and x.shape[-1] in (1, 3, 4) and x.shape[1] not in (1, 3, 4)
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if last else x


def named(name: str) -> Own | None:
    """The task of the specification that the environment points at, if it has that name."""
    path = os.environ.get(OWN)
    if not path:
        return None
    own = _load(path)
    return own if own.name == name else None


@functools.cache
def _load(path: str) -> Own:
    try:
        return Own(Specification.of(json.loads(Path(path).read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"${OWN} is {path!r}, which cannot be read: {error}; unset it") from error


def bring(
    root: Path,
    name: str,
    path: Path,
    kind: str | None = None,
    label: str | None = None,
    group: str | None = None,
    metric: str | None = None,
    layout: Layout | None = None,
) -> Own:
    """Make a task of the user's file: check it, carve the splits, and leave data and specification in `root/<name>`.

    Raises:
        DataError: the file is not fit for it; says where.
        RequestError: an option does not fit the data.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise RequestError(f"--name is {name!r}: give small letters, digits and hyphens")
    given = own_files.read(path, label, group)
    table = not isinstance(given.x, np.ndarray)
    what = kind or _kind(path, given)
    if what == "regression":
        raise RequestError(f"{path}: y holds real numbers: regression is not supported; give classes or dense fields")
    y, labels = _targets(path, what, given.y)
    split, groups = own_files.divide(path, given, y if what == "classification" else np.zeros(len(y), dtype=int))
    columns = None
    if table:
        columns = dict(Encoder.fit(given.x[split == "train"]).columns)
        x = Encoder(columns).encode(given.x)[:, None]
    else:
        how = layout or _layout(np.asarray(given.x), given.y, what)
        axes = (2, 3) if how == "sequence" else (3, 4)
        if given.x.ndim not in axes:
            raise RequestError(f"--layout is {how}: x has shape {given.x.shape}; give {axes[0]} or {axes[1]} axes")
        x = arranged(np.asarray(given.x), how).astype(np.float32)
    shape = x.shape[1:]
    if len(shape) == 2:
        patch = -(-shape[1] // _TOKENS)
        shape = (shape[0], -(-shape[1] // patch) * patch)
    counts = np.bincount(y[split == "train"], minlength=len(labels)) if what == "classification" else np.ones(0)
    if what == "classification" and not counts.all():
        raise DataError(f"{path}: class {labels[int(counts.argmin())]!r} has no sample for training: give it more rows")
    name_of_metric = metric or own_metrics.DEFAULT[what]
    if name_of_metric not in own_metrics.FITTING[what]:
        raise RequestError(f"--metric is {metric!r}: for {what} choose from {', '.join(own_metrics.FITTING[what])}")
    own = Own(
        Specification(
            name,
            what,  # type: ignore[arg-type]
            tuple(given.x.shape[1:]),
            shape,
            (len(labels),) if what == "classification" else y.shape[1:],
            labels,
            name_of_metric,
            tuple(float(len(y[split == "train"]) / (len(counts) * count)) for count in counts),
            int((split == "train").sum()),
            columns,
        )
    )
    x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, shape[-1] - x.shape[-1])], mode="edge")
    _leave(root / name, own.specification, {"x": x, "y": y, "group": groups, "split": split})
    return own


def _leave(folder: Path, specification: Specification, arrays: Mapping[str, np.ndarray]) -> None:
    """Write data and specification, each whole or not at all, and point the environment at the latter."""
    text = json.dumps(asdict(specification), indent=2, ensure_ascii=False)
    path = folder / f"specification-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
    try:
        (folder / "raw").mkdir(parents=True, exist_ok=True)
        partial = folder / "raw" / f".{os.getpid()}.npz"
        np.savez(partial, allow_pickle=False, **arrays)
        partial.replace(folder / "raw" / _FILE)
        temporary = folder / f".{os.getpid()}.json"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise RequestError(f"cannot write below {folder}: {error}: give a writable data root") from error
    os.environ[OWN] = str(path.absolute())


def _kind(path: Path, given: own_files.Samples) -> str:
    y = given.y
    whole = y.dtype.kind not in "f" or not (y % 1).any()
    if y.ndim == 1:
        return "classification" if whole else "regression"
    if y.ndim == 2 and whole and y.dtype.kind in "biuf" and set(np.unique(y)) <= {0, 1}:
        return "multilabel"
    if y.dtype.kind in "biuf" and isinstance(given.x, np.ndarray) and y.shape[-1] == given.x.shape[-1]:
        return "dense"
    if y.dtype.kind in "biuf":
        return "regression"
    raise DataError(f"{path}: y is {y.dtype} {y.shape}: give a class a row (n,), 0 and 1 (n, labels), or fields")


def _layout(x: np.ndarray, y: np.ndarray, kind: str) -> Layout:
    """Four axes are images, two sequences; of three, squares and what has a field for a target of its shape."""
    square = x.ndim == 3 and (x.shape[1] == x.shape[2] or (kind == "dense" and y.shape == x.shape))
    return "image" if x.ndim == 4 or square else "sequence"


def _targets(path: Path, kind: str, y: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    if kind != "classification":
        if y.dtype.kind not in "biuf" or y.ndim < 2:
            raise DataError(f"{path}: y is {y.dtype} {y.shape}: for {kind} give numbers (n, …)")
        return y.astype(np.float32), ()
    if y.ndim != 1:
        raise DataError(f"{path}: y has shape {y.shape}: for classification give one class a row, (n,)")
    names, codes, counts = np.unique(
        y.astype(str) if y.dtype.kind == "O" else y, return_inverse=True, return_counts=True
    )
    labels = tuple(str(value) for value in names)
    if len(labels) < 2:
        raise DataError(f"{path}: y holds one class only, {labels[0] if labels else 'none'!r}: give at least two")
    if counts.min() < 3:
        rows = rows_text(np.flatnonzero(codes == counts.argmin()))
        raise DataError(f"{path}: class {labels[counts.argmin()]!r} has {counts.min()} of at least 3 samples, {rows}")
    return codes.reshape(-1).astype(np.int64), labels


def _weighted(weights: tuple[float, ...], predictions: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(predictions, targets) * predictions.new_tensor(weights)[targets]


def _statistics(name: str, values: np.ndarray, by_feature: bool, scalar: bool = False) -> dict[str, np.ndarray]:
    """Mean and deviation of each channel, or of each feature; what never changes has deviation 1."""
    axes = (0,) if by_feature else tuple(range(values.ndim)) if scalar else (0, *range(2, values.ndim))
    mean = values.mean(axis=axes, dtype=np.float64, keepdims=True)
    deviation = values.std(axis=axes, dtype=np.float64, keepdims=True)
    mean, deviation = mean[0], np.where(deviation > 1e-6 * np.abs(mean), deviation, 1.0)[0]
    return {f"{name}_mean": mean.astype(np.float32), f"{name}_std": deviation.astype(np.float32)}


def _settings(own: Specification) -> dict[str, dict[str, Any]]:
    """A short recipe for AdamW; fewer samples take more epochs, so that the updates stay about as many."""
    flat = len(own.shape) == 2
    rates = ("embedder", "body", "gate", "heads")
    common: dict[str, Any] = {
        "epochs": int(np.clip(5000 // own.train, 4, 40)),
        "curriculum.start": 0.5,
        "curriculum.end": 0.0,
        "optimizer.name": "adamw",
        "optimizer.batch": 32,
        "optimizer.weight_decay": 0.01,
        "optimizer.warmup": 0.1,
    }
    if flat:
        common["patch"] = -(-own.shape[1] // _TOKENS)
    image = "fractal-masks" if own.kind == "dense" else "fractals"
    large, small = (
        ("FacebookAI/roberta-base", "roberta-mini")
        if flat
        else (
            "microsoft/swin-base-patch4-window7-224-in22k",
            "swin-mini",
        )
    )
    paper = common | {f"optimizer.lr.{of}": 1e-4 for of in rates}
    laptop = {f"optimizer.lr.{of}": 1e-3 for of in rates}
    return {
        "paper": paper | {"body": large, "source": "text" if flat else image},
        "laptop": laptop | {"body": small, "source": "signals" if flat else image},
    }
