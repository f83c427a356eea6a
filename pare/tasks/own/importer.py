"""Import a user's file as a task: infer its kind, validate, split, encode and save it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from pare import files
from pare.data.tabular import Columns, Encoder
from pare.data.task import Kind
from pare.errors import RequestError
from pare.tasks.own import baselines, metrics, readers, settings, summary, targets
from pare.tasks.own.samples import Samples
from pare.tasks.own.splits import divide
from pare.tasks.own.task import FILE, ArrayLayout, ChannelAxis, OwnTask, Specification, arranged, point_at

_MOST_FEATURES = 10_000
"""Largest number of columns of a table, including one-hot ones; more would make the file too large."""


def bring(
    root: Path,
    name: str,
    path: Path,
    kind: Kind | None = None,
    label: str | None = None,
    group: str | None = None,
    metric: str | None = None,
    layout: ArrayLayout | None = None,
    channels: ChannelAxis | None = None,
    drop: Sequence[str] = (),
) -> OwnTask:
    """Make a task from the user's file: validate, split, and save data and specification in `root/<name>`.

    Raises:
        DataError: the file is unsuitable; says where.
        RequestError: an option does not fit the data.
    """
    require_name(name)
    given = readers.read(path, label, group, drop)
    return settle(root, name, path, given, kind=kind, metric=metric, layout=layout, channels=channels)


def require_name(name: str) -> None:
    """Check the name of a task, which is a folder too.

    Raises:
        RequestError: it has other characters than small letters, digits and hyphens.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise RequestError(f"--name is {name!r}: give small letters, digits and hyphens")


def settle(
    root: Path,
    name: str,
    path: Path,
    given: Samples,
    *,
    kind: Kind | None = None,
    metric: str | None = None,
    layout: ArrayLayout | None = None,
    channels: ChannelAxis | None = None,
    gaps: bool = False,
    share: float = 0.15,
    baseline: str = "",
    title: str = "",
) -> OwnTask:
    """Make a task from samples that were read from `path`; see `bring`.

    `gaps` allows empty cells in a table; `share` is the share of test and of validation if splits are drawn. The
    baseline follows from the kind if it is not given.
    """
    inferred = targets.kind(path, given)
    what = kind or inferred
    y, labels = targets.targets(path, what, given.y)
    classes = what == "classification"
    split, groups = divide(path, given, y if classes else np.zeros(len(y), dtype=int), share)
    training = split == "train"
    last = _channels_last(path, given, what, layout, channels)
    x, columns = _inputs(path, given, training, what, layout, last, gaps)
    shape = x.shape[1:]
    if len(shape) == 2:
        patch = settings.patch(shape[1])
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
        channels_last=last,
    )
    x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, shape[-1] - x.shape[-1])], mode="edge")
    arrays = {"x": x, "y": y, "group": groups, "split": split}
    if what != inferred:  # the same arrays have other statistics as another kind
        arrays["kind"] = np.array(what)
    task = OwnTask(_leave(root / name, specification, arrays))
    task.summary = summary.rows(path, given, task.specification, y, split, groups, kind is None)
    return task


def _channels_last(
    path: Path, given: Samples, kind: Kind, layout: ArrayLayout | None, channels: ChannelAxis | None
) -> bool | None:
    """Whether the channels of arrays are last; None if there is no channel axis, or x is a table.

    Raises:
        RequestError: the option is given without a channel axis, or the axis may be at either end.
    """
    none = not isinstance(given.x, np.ndarray) or given.x.ndim < 3
    if none or (given.x.ndim == 3 and (layout or _layout(given.x, given.y, kind)) == "image"):
        if channels:
            raise RequestError(f"--channels is {channels}: leave it out, {path} has no axis of channels")
        return None
    if given.channels_last is not None:
        if channels:
            raise RequestError(f"--channels is {channels}: leave it out, {path} holds images")
        return given.channels_last
    if channels:
        return channels == "last"
    if given.x.ndim == 3:
        return False
    first, height, last = given.x.shape[1:]
    few = first in (1, 3, 4), last in (1, 3, 4)
    if all(few):
        raise RequestError(f"{path}: x is {given.x.shape}, whose channels may be first or last: give --channels")
    return few[1] or (not few[0] and first == height > last)


def _inputs(
    path: Path,
    given: Samples,
    training: np.ndarray,
    kind: Kind,
    layout: ArrayLayout | None,
    last: bool | None,
    gaps: bool,
) -> tuple[np.ndarray, Columns | None]:
    """Return x as (n, C, …) and, for a table, the encoding of its columns."""
    if not isinstance(given.x, np.ndarray):
        if layout:
            raise RequestError(f"--layout is {layout}: leave it out, {path} is a table")
        encoder = Encoder.fit(given.x[training], gaps)
        if encoder.features > _MOST_FEATURES:
            raise RequestError(
                f"{path} makes {encoder.features:,} features, at most {_MOST_FEATURES:,} fit: --drop some"
            )
        return encoder.encode(given.x)[:, None], encoder.columns
    how = layout or _layout(given.x, given.y, kind)
    axes = (2, 3) if how == "sequence" else (3, 4)
    if given.x.ndim not in axes:
        raise RequestError(f"--layout is {how}: x has shape {given.x.shape}; give {axes[0]} or {axes[1]} axes")
    return arranged(given.x, how, last).astype(np.float32), None


def _layout(x: Any, y: np.ndarray, kind: Kind) -> ArrayLayout:
    """Infer the layout: four axes are images; three are if square or with a field of their shape as target."""
    square = x.ndim == 3 and (x.shape[1] == x.shape[2] or (kind == "dense" and y.shape == x.shape))
    return "image" if x.ndim == 4 or square else "sequence"


def _leave(folder: Path, specification: Specification, arrays: Mapping[str, np.ndarray]) -> Specification:
    """Write data and specification atomically, and register the specification.

    The data's folder is named after its digest, so that later imports do not change the data of a sweep.
    """
    try:
        raw = folder / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        partial = raw / f".{os.getpid()}.npz"
        np.savez(partial, allow_pickle=False, **arrays)
        with partial.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
        (raw / digest).mkdir(exist_ok=True)
        partial.replace(raw / digest / FILE)
        specification = replace(specification, data=digest)
        text = json.dumps(asdict(specification), indent=2, ensure_ascii=False)
        path = folder / f"specification-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
        files.write_text(path, text)
    except OSError as error:
        raise RequestError(f"cannot write below {folder}: {error}: give a writable data root") from error
    point_at(path)
    return specification
