"""From samples as a user has them to a task of them: what they are taken for, checked, divided, encoded and left."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from pare.data.tabular import Columns, Encoder
from pare.data.task import Kind
from pare.errors import RequestError
from pare.tasks.own import baselines, metrics, readers, targets
from pare.tasks.own.task import FILE, TOKENS, ArrayLayout, OwnTask, Specification, arranged, point_at


def bring(
    root: Path,
    name: str,
    path: Path,
    kind: Kind | None = None,
    label: str | None = None,
    group: str | None = None,
    metric: str | None = None,
    layout: ArrayLayout | None = None,
) -> OwnTask:
    """Make a task of the user's file: check it, carve the splits, and leave data and specification in `root/<name>`.

    Raises:
        DataError: the file is not fit for it; says where.
        RequestError: an option does not fit the data.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise RequestError(f"--name is {name!r}: give small letters, digits and hyphens")
    return settle(root, name, path, readers.read(path, label, group), kind=kind, metric=metric, layout=layout)


def settle(
    root: Path,
    name: str,
    path: Path,
    given: readers.Samples,
    *,
    kind: Kind | None = None,
    metric: str | None = None,
    layout: ArrayLayout | None = None,
    gaps: bool = False,
    share: float = 0.15,
    baseline: str = "",
    title: str = "",
) -> OwnTask:
    """Make a task of samples that were read from `path`; see `bring`.

    `gaps` lets cells of a table be empty, `share` is that of test and of validation where splits are carved; what
    stands beside the results, and the title, are told by kind and name where not given.
    """
    what = kind or targets.kind(path, given)
    y, labels = targets.targets(path, what, given.y)
    classes = what == "classification"
    split, groups = readers.divide(path, given, y if classes else np.zeros(len(y), dtype=int), share)
    training = split == "train"
    x, columns = _inputs(path, given, training, what, layout, gaps)
    shape = x.shape[1:]
    if len(shape) == 2:
        patch = -(-shape[1] // TOKENS)
        shape = (shape[0], -(-shape[1] // patch) * patch)
    name_of_metric = metric or metrics.DEFAULT[what]
    if name_of_metric not in metrics.FITTING[what]:
        raise RequestError(f"--metric is {metric!r}: for {what} choose from {', '.join(metrics.FITTING[what])}")
    specification = Specification(
        name=name,
        kind=what,
        raw=tuple(given.x.shape[1:]),
        shape=shape,
        outputs=(len(labels),) if classes else y.shape[1:],
        labels=labels,
        metric=name_of_metric,
        weights=targets.weights(path, y[training], labels) if classes else (),
        train=int(training.sum()),
        columns=dict(columns) if columns is not None else None,
        gaps=gaps,
        scale=targets.scale(path, what, y[training]),
        baseline=baseline or baselines.DEFAULT.get(what, ""),
        title=title,
    )
    x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, shape[-1] - x.shape[-1])], mode="edge")
    _leave(root / name, specification, {"x": x, "y": y, "group": groups, "split": split})
    return OwnTask(specification)


def _inputs(
    path: Path, given: readers.Samples, training: np.ndarray, kind: Kind, layout: ArrayLayout | None, gaps: bool
) -> tuple[np.ndarray, Columns | None]:
    """x as (n, C, …) and, of a table, what its columns hold."""
    if not isinstance(given.x, np.ndarray):
        if layout:
            raise RequestError(f"--layout is {layout}: leave it out, {path} is a table")
        encoder = Encoder.fit(given.x[training], gaps)
        return encoder.encode(given.x)[:, None], encoder.columns
    how = layout or _layout(given.x, given.y, kind)
    axes = (2, 3) if how == "sequence" else (3, 4)
    if given.x.ndim not in axes:
        raise RequestError(f"--layout is {how}: x has shape {given.x.shape}; give {axes[0]} or {axes[1]} axes")
    return arranged(given.x, how).astype(np.float32), None


def _layout(x: np.ndarray, y: np.ndarray, kind: Kind) -> ArrayLayout:
    """Four axes are images, two sequences; of three, squares and what has a field for a target of its shape."""
    square = x.ndim == 3 and (x.shape[1] == x.shape[2] or (kind == "dense" and y.shape == x.shape))
    return "image" if x.ndim == 4 or square else "sequence"


def _leave(folder: Path, specification: Specification, arrays: Mapping[str, np.ndarray]) -> None:
    """Write data and specification, each whole or not at all, and point the environment at the latter."""
    text = json.dumps(asdict(specification), indent=2, ensure_ascii=False)
    path = folder / f"specification-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
    try:
        (folder / "raw").mkdir(parents=True, exist_ok=True)
        partial = folder / "raw" / f".{os.getpid()}.npz"
        np.savez(partial, allow_pickle=False, **arrays)
        partial.replace(folder / "raw" / FILE)
        temporary = folder / f".{os.getpid()}.json"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise RequestError(f"cannot write below {folder}: {error}: give a writable data root") from error
    point_at(path)
