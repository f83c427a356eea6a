"""A task of the user's own data, described by a specification instead of a class.

`pare.tasks.own.importer` writes the specification beside the data, below the data root. Every trial sends its text to
Ray's workers, as it does the text of a Python file that defines a task (`pare.tasks.Definition`). A finished model
holds its specification too, so that it predicts anywhere.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pare import tasks
from pare.data import checks
from pare.data.tabular import Encoder
from pare.data.task import SPLITS, Baseline, Kind, ProgressCallback, Raw, Recipe, Split, Task
from pare.errors import DataError, RequestError
from pare.losses import binary_cross_entropy, constants, cross_entropy, squared_error
from pare.tasks import Definition
from pare.tasks.own import baselines, metrics, settings

if TYPE_CHECKING:
    from torch import Tensor

ArrayLayout = Literal["sequence", "image"]
ChannelAxis = Literal["first", "last"]
FILE = "data.npz"


@dataclass(frozen=True)
class Specification:
    """Definition of a task of own data, in JSON's types."""

    name: str
    kind: Kind
    raw: tuple[int, ...]
    """Shape of one sample in the user's file, without batch axis; for a table, (columns,)."""
    shape: tuple[int, ...]
    outputs: tuple[int, ...]
    labels: tuple[str, ...]
    metric: str
    weights: tuple[float, ...]
    """Weight of each class in the loss, inverse to its share of the training samples."""
    train: int
    columns: dict[str, list[str] | float | None] | None = None
    """Columns of a table, see `tabular.Encoder`, also for `gaps`."""
    gaps: bool = False
    scale: tuple[float, ...] = ()
    """Standard deviation of each target, or of whole fields, over the training samples: the unit of the loss."""
    baseline: str = ""
    """Name of the baseline, see `baselines`."""
    title: str = ""
    data: str = ""
    """Digest of the data, which is the name of its folder; empty if version 0.1 wrote it."""
    channels_last: bool | None = None
    """Whether raw samples have their channels last; None: see `arranged`."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Specification:
        """Build a specification from JSON, where tuples are lists."""
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **lists})

    @property
    def encoder(self) -> Encoder | None:
        """Encoder of a table's rows, None for arrays."""
        return None if self.columns is None else Encoder(self.columns, self.gaps)


class OwnTask(Task):
    """The task of a specification."""

    summary: tuple[tuple[str, str], ...] = ()
    """Rows (what, how it was interpreted) that tell the user what was read; empty in processes that did not read it."""

    def __init__(self, specification: Specification) -> None:
        own = self.specification = specification
        presets = settings.short(own.train, own.shape, own.kind)
        vars(self).update(
            name=own.name,
            title=own.title or "Own data",
            kind=own.kind,
            version=1,
            shape=own.shape,
            output_shape=own.outputs,
            labels=own.labels,
            metric=metrics.METRICS[own.metric],
            criterion=_criterion(own),
            files=(f"{own.data}/{FILE}" if own.data else FILE,),
            homepage="its script in sweeps/, which makes it",
            synthetic="simulated",
            paper=presets["paper"],
            laptop=presets["laptop"],
            recipes={},
        )

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:  # noqa: ARG002
        """Refuse: own data cannot be synthesised."""
        raise DataError(f"{folder} lacks {self.files[0]}: run its script in sweeps/, which makes it")

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read the samples that `bring` wrote; statistics for normalising come from the training split."""
        try:
            with np.load(folder / self.files[0], allow_pickle=False) as file:
                x, y, group, split = (file[name] for name in ("x", "y", "group", "split"))
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise DataError(
                f"{folder / self.files[0]} is damaged ({error}): run its script in sweeps/ again, which makes it"
            ) from error
        parts = {}
        for name in SPLITS:
            rows = np.flatnonzero(split == name)
            rows = rows[np.argsort(group[rows], kind="stable")]  # samples of a group lie together
            parts[name] = Split(x[rows], y[rows], group[rows])
        progress(1, 1)
        return Raw(**parts, statistics=self.statistics_of(parts["train"]))

    def statistics_of(self, train: Split) -> dict[str, np.ndarray]:
        """Return mean and deviation of inputs and, for real numbers, of targets."""
        found = _statistics("input", train.x, by_feature=self.specification.columns is not None)
        if self.kind == "dense":
            scalar = self.output_shape == self.spatial_shape
            found |= _statistics("output", train.y, by_feature=False, scalar=scalar)
        elif self.kind == "regression":
            found |= _statistics("output", train.y, by_feature=True)
        return found

    def encode(self, raw: Any) -> np.ndarray:
        """Encode samples of the user's file, or rows of its table (data frame), as (n, *shape) float32."""
        own = self.specification
        if own.encoder is not None:
            x = own.encoder.encode(raw)[:, None]
        else:
            shapes = (own.raw, own.raw[:-1]) if own.channels_last and own.raw[-1] == 1 else (own.raw,)
            x = checks.batch(raw, shapes, f"samples (n, {', '.join(map(str, own.raw))})").astype(np.float32)
            x = arranged(x.reshape(-1, *own.raw), "image" if len(own.shape) == 3 else "sequence", own.channels_last)
        # Patches must divide a sequence, so its last value pads it.
        missing = own.shape[-1] - x.shape[-1]
        return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, missing)], mode="edge") if missing else x

    def baseline(self, train: Split) -> Baseline | None:
        """Fit scikit-learn's model on the same samples as flat vectors, if that is quick."""
        return baselines.fitted(self.specification.baseline, train)


def arranged(x: np.ndarray, layout: ArrayLayout, channels_last: bool | None = None) -> np.ndarray:
    """Arrange samples (n, …) as sequences (n, C, L) or images (n, C, H, W).

    If `channels_last` is None, images have channels last if axis -1 has length 1, 3 or 4 and axis 1 has not.
    """
    if x.ndim == (2 if layout == "sequence" else 3):
        return x[:, None]
    if channels_last is None:
        channels_last = layout == "image" and x.shape[-1] in (1, 3, 4) and x.shape[1] not in (1, 3, 4)
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if channels_last else x


def named(name: str) -> Task | None:
    """Return the task called `name` that this process knows, if any."""
    found = map(_load, tasks.definitions())
    return next((task for task in found if task.name == name), None)


def of_file(path: Path, taken: Container[str] = ()) -> Task:
    """Load the `TASK` that a Python file defines, and register it for other processes.

    Raises:
        RequestError: there is no such file, it cannot be imported, it defines no task, or the task's name is `taken`.
    """
    try:
        definition = Definition(str(path.absolute()), path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestError(f"{path} does not exist: give a Python file that defines TASK") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read ({error}): give a Python file that defines TASK") from None
    task = _load(definition)
    if task.name in taken:
        raise RequestError(f"{path} defines a task {task.name!r}, which is another one: give it another name")
    _know(definition)
    return task


def point_at(path: Path) -> None:
    """Register the task that a file specifies or defines; a specification replaces an older one of its task."""
    _know(Definition(str(path.absolute()), path.read_text(encoding="utf-8")))


def _know(new: Definition) -> None:
    path = Path(new.path)
    others = [(Path(other.path), other) for other in tasks.definitions()]
    kept = [other for at, other in others if at != path and (path.suffix == ".py" or at.parent != path.parent)]
    tasks.adopt([*kept, new])


@functools.cache
def _load(definition: Definition) -> Task:
    if definition.path.endswith(".py"):
        return _defined(definition)
    try:
        return OwnTask(Specification.of(json.loads(definition.text)))
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{definition.path} is damaged ({error}): run its script in sweeps/ again") from error


def _defined(definition: Definition) -> Task:
    """Return the task that the text of a Python file defines; the file itself need not exist."""
    path = Path(definition.path)
    module = ModuleType(f"pare_own_{path.stem}")
    module.__file__ = definition.path
    try:
        exec(compile(definition.text, definition.path, "exec"), vars(module))  # noqa: S102 - the user's own file
    except Exception as error:  # it may raise any exception
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise RequestError(f"{path} cannot be imported ({reason})") from error
    task = getattr(module, "TASK", None)
    if not isinstance(task, Task):
        raise RequestError(f"{path} defines no TASK: let it end with one, TASK = MyTask()")
    return task


def _criterion(own: Specification) -> Callable[[Tensor, Tensor], Tensor]:
    if own.kind == "classification":
        return functools.partial(_weighted, own.weights)
    if own.kind == "multilabel":
        return binary_cross_entropy
    return functools.partial(_scaled, own.scale or (1.0,))


def _weighted(weights: tuple[float, ...], predictions: Tensor, targets: Tensor) -> Tensor:
    return (
        cross_entropy(predictions, targets) * constants(tuple(weights), predictions.dtype, predictions.device)[targets]
    )


def _scaled(scale: tuple[float, ...], predictions: Tensor, targets: Tensor) -> Tensor:
    """Squared error in standard deviations of the target, which does not depend on the user's units."""
    unit = constants(tuple(scale), predictions.dtype, predictions.device)
    return squared_error(predictions / unit, targets / unit)


def _statistics(name: str, values: np.ndarray, by_feature: bool, scalar: bool = False) -> dict[str, np.ndarray]:
    """Return mean and standard deviation of each channel or each feature; the deviation of a constant is 1."""
    axes = (0,) if by_feature else tuple(range(values.ndim)) if scalar else (0, *range(2, values.ndim))
    mean = values.mean(axis=axes, dtype=np.float64, keepdims=True)
    deviation = values.std(axis=axes, dtype=np.float64, keepdims=True)
    mean, deviation = mean[0], np.where(deviation > 1e-6 * np.abs(mean), deviation, 1.0)[0]
    return {f"{name}_mean": mean.astype(np.float32), f"{name}_std": deviation.astype(np.float32)}
