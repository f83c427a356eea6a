"""The interface of a task: a data set, its criterion, its metric and the provenance of its data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor  # which takes seconds to import, and workers that prepare data never need

Kind = Literal["classification", "multilabel", "dense", "regression"]
Provenance = Literal["real", "generated", "simulated"]
Direction = Literal["minimize", "maximize"]
ProgressCallback = Callable[[int, int], None]
"""Called with (done, total) while long work goes on."""

Recipe = Mapping[str, int | float | str]
"""The options of a generator or simulator; part of the key under which prepared data rests."""

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Metric:
    """A figure of merit over a whole split, its direction being data.

    `compute(predictions, targets)` takes numpy arrays of the task's output and target shapes with a leading sample
    axis and returns one float in the unit named by `unit`.
    """

    name: str
    direction: Direction
    compute: Callable[[np.ndarray, np.ndarray], float]
    unit: str = ""

    def better(self, a: float, b: float) -> bool:
        """Whether `a` is strictly better than `b`."""
        return a < b if self.direction == "minimize" else a > b


@dataclass(frozen=True)
class Split:
    """One split as arrays, memory-mapped where they come from the store.

    `x` (n, *task.shape) float32, or whatever `task.assemble` makes that of; `y` (n,) int64 for classes, (n, classes)
    float32 for multi-label, (n, *output_shape) float32 for dense and regression, or what criterion and metrics take;
    `group` (n,) int64, the record (patient, protein, field) that a sample was cut from; a group's samples lie together.
    """

    x: np.ndarray
    y: np.ndarray
    group: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Download:
    """The public address of an official file, and its size and checksum as far as they are known.

    `digest` is written as `md5:<hex>` or `sha256:<hex>`, whichever its publisher or the field's libraries state.
    """

    url: str
    digest: str = ""
    size: int | None = None
    """Bytes."""


@dataclass(frozen=True)
class Published:
    """A figure from the literature for the task's test metric, in the metric's own unit.

    `metric` names the one of `task.extra_metrics` that it is of, where it is not of `task.metric`.
    """

    method: str
    value: float
    source: str
    verified: bool
    metric: str = ""


@dataclass(frozen=True)
class Raw:
    """Everything read from a task's raw files: three splits and what the model needs to know of the training set.

    A split larger than memory comes as chunks, taken in the order train, val, test. `statistics` may hold `input_mean`,
    `input_std`, `output_mean`, `output_std`, each broadcastable against a sample; they are computed on the training
    split only, and looked at last, so that who makes the chunks can fill them in.
    """

    train: Split | Iterable[Split]
    val: Split | Iterable[Split]
    test: Split | Iterable[Split]
    statistics: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Baseline:
    """A predictor that learns next to nothing, shown beside every result: inputs (n, *shape) → (n, *output_shape)."""

    name: str
    predict: Callable[[np.ndarray], np.ndarray]
    validated: bool = True
    """Whether it may be measured on the validation split: False where it was fitted on that, too."""


class Task(ABC):
    """A data set that a model is fine-tuned on. A new one is one file in `pare/tasks/` and one line in its registry.

    Class attributes state what the task is; the methods turn official raw files into splits. `write_synthetic` writes
    those same files where nobody can download them: by the published generator (`generated`) or by a simulator
    (`simulated`).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    kind: ClassVar[Kind]
    version: ClassVar[int]
    """Raised whenever `read` or `encode` changes what it yields: older prepared data is then made anew."""

    shape: ClassVar[tuple[int, ...]]
    """The shape of one encoded input: (C, L) for sequences, (C, H, W) for images and fields."""

    output_shape: ClassVar[tuple[int, ...]]
    """(classes,) for classification and multi-label, (targets,) for regression; dense: (H, W) or (L,), several channels
    (C, H, W) or (C, L)."""

    labels: ClassVar[tuple[str, ...]] = ()
    metric: ClassVar[Metric]
    criterion: ClassVar[staticmethod[[Tensor, Tensor], Tensor]]
    """Differentiable loss per sample: (predictions (B, …), targets (B, …)) → (B,)."""

    extra_metrics: ClassVar[tuple[Metric, ...]] = ()
    """Further metrics measured with the test: the published one, say, where a more honest one is `metric`."""

    text: ClassVar[bool] = False
    """Whether inputs (1, L) are token ids of a language model: of a source proxy for a body pretrained on text."""

    drawn_by_group: ClassVar[bool] = False
    """Whether a training epoch visits each group once, at a sample drawn anew (a chunk of a clip, a crop of a map)."""

    files: ClassVar[tuple[str, ...]]
    """The official raw files, by the names under which they are distributed."""

    homepage: ClassVar[str]
    """The web page of the official files, named where they are missing."""

    downloads: ClassVar[Mapping[str, Download]] = {}
    """Those of the official files that have a public address of their own, by name."""

    in_parts: ClassVar[bool] = False
    """Whether `read` makes its splits of independent parts, by `parallel.ordered`, as large data should."""

    synthetic: ClassVar[Provenance]
    """The provenance of what `write_synthetic` makes: `generated` or `simulated`."""

    published: ClassVar[tuple[Published, ...]] = ()
    paper: ClassVar[Mapping[str, Any]]
    """The released configuration of PaRe for this task: dotted names of `pare.config.Run` → values."""

    laptop: ClassVar[Mapping[str, Any]]
    """Settings that the laptop preset changes."""

    recipes: ClassVar[Mapping[str, Recipe]]
    """The recipe of `write_synthetic` by preset: `laptop` and, if the data can be generated as published, `paper`."""

    @abstractmethod
    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Write the official raw files into the empty `folder`, deterministically from `recipe`."""

    @abstractmethod
    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read the official raw files of `folder` and split them as published, validation carved from train.

        Raises:
            DataError: a file is missing, truncated or malformed; names the file and what was expected.
        """

    def statistics_of(self, train: Split) -> Mapping[str, np.ndarray]:  # noqa: ARG002
        """Return the `Raw.statistics` of some training samples alone; what is missing is taken over all of them."""
        return {}

    @abstractmethod
    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Turn raw samples, as a user of the finished model has them, into inputs (n, *shape) float32.

        Raises:
            RequestError: the array cannot be a batch of this task's samples.
        """

    def assemble(self, x: np.ndarray) -> np.ndarray:
        """Turn rows of a split's `x` (n, …) into inputs (n, *shape) float32; by default they only change their type."""
        return np.asarray(x, dtype=np.float32)

    def augment(self, x: np.ndarray, y: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Change a training batch x, y (B, …), rows of a split before `assemble`, at random; by default not at all.

        `seeds` (B,) uint64 identify sample and epoch: all randomness comes from them, so that a batch is the same on
        one worker or many, and in a resumed run.
        """
        del seeds
        return x, y

    def for_body(self, body: str) -> Task:  # noqa: ARG002
        """This task as the body of that name reads it: a source of text is cut into the body's own tokens.

        Raises:
            RequestError: the body's tokenizer cannot be had.
        """
        return self

    def score(self, metric: Metric, predictions: np.ndarray, split: Split) -> float:
        """A metric of predictions (n, *output_shape) for a whole split; tasks that judge groups gather them here."""
        return float(metric.compute(predictions, np.asarray(split.y)))

    def baseline(self, train: Split) -> Baseline | None:  # noqa: ARG002
        """Return what the task's own science predicts with next to no learning; None for most tasks."""
        return None

    def baselines(self, train: Split, val: Split | None) -> Iterable[Baseline]:  # noqa: ARG002
        """Yield the task's baselines, by default its `baseline`; without `val`, nothing may be fitted on validation."""
        own = self.baseline(train)
        return [own] if own else []

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """(L,) or (H, W)."""
        return self.shape[1:]

    @property
    def modality(self) -> Literal["1d", "2d"]:
        return "1d" if len(self.shape) == 2 else "2d"

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """The best prediction that ignores the input, from training targets: one sample's output, without batch axis.

        One-hot of the most frequent class, class frequencies for multi-label, otherwise the mean target.
        """
        if self.kind == "classification":
            return np.eye(self.output_shape[0], dtype=np.float32)[
                np.bincount(targets, minlength=self.output_shape[0]).argmax()
            ]
        return np.asarray(targets.mean(axis=0, dtype=np.float64), dtype=np.float32)
