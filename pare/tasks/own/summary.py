"""Summary of how a user's data was read, in rows that the user can check."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pare.data.task import SPLITS
from pare.tasks.own.samples import Samples
from pare.tasks.own.task import Specification

_SHOWN = 12


def rows(
    path: Path,
    given: Samples,
    own: Specification,
    y: np.ndarray,
    split: np.ndarray,
    group: np.ndarray,
    inferred: bool,
) -> tuple[tuple[str, str], ...]:
    """Return rows (what, how it was interpreted) for samples with their targets (n, …), splits (n,) and groups (n,).

    `inferred` says whether the kind was inferred from y.
    """
    told = " (told from y; --kind says otherwise)" if inferred else ""
    found = [
        ("read", f"{path}: {given.found}" if given.found else str(path)),
        ("samples", f"{len(y):,} in {int(group.max()) + 1:,} {'groups' if given.group is not None else 'different'}"),
        ("input", _inputs(given, own)),
        ("target", f"{own.kind}{told}: {_targets(own, y)}"),
        ("missing values", _missing(given)),
        ("splits", _splits(given, own, y, split)),
        ("converted", "; ".join(_shortened(given.converted)) or "nothing"),
        ("left out", "; ".join(_shortened(given.left_out)) or "nothing"),
        ("judged by", own.metric),
    ]
    return tuple(found)


def _inputs(given: Samples, own: Specification) -> str:
    if isinstance(given.x, pd.DataFrame):
        kinds = own.columns or {}
        categories = {name: holds for name, holds in kinds.items() if isinstance(holds, list)}
        texts = _shortened([f"{name} ({len(holds)})" for name, holds in categories.items()])
        numbers = len(kinds) - len(categories)
        said = f"{len(kinds)} columns, {numbers} of numbers" + (f", one-hot: {', '.join(texts)}" if texts else "")
        return f"{said} → {own.shape[1]} features"
    kind = "images" if len(own.shape) == 3 else "sequences"
    length = own.raw[0] if own.channels_last else own.raw[-1]  # without what pads a sequence to whole patches
    size = "×".join(map(str, own.shape[1:])) if kind == "images" else str(length)
    channels = f"{own.shape[0]} channel{'s' if own.shape[0] > 1 else ''}"
    where = "" if own.channels_last is None else ", last in x" if own.channels_last else ", first in x"
    hint = " (--channels last says otherwise)" if own.channels_last is False else ""
    raw = given.x
    return f"{kind} of {channels}{where}{hint}, {size}, {raw.dtype} from {raw.min():g} to {raw.max():g}"


def _targets(own: Specification, y: np.ndarray) -> str:
    if own.kind == "classification":
        counts = np.bincount(y, minlength=len(own.labels))
        classes = _shortened([f"{label} {count:,}" for label, count in zip(own.labels, counts, strict=True)])
        return f"{len(own.labels)} classes, {', '.join(classes)}"
    if own.kind == "multilabel":
        return f"{y.shape[1]} labels, {', '.join(_shortened([f'{int(count):,}' for count in y.sum(axis=0)]))} samples"
    return f"{'×'.join(map(str, y.shape[1:]))} number{'s' if y[0].size > 1 else ''} from {y.min():g} to {y.max():g}"


def _missing(given: Samples) -> str:
    if not isinstance(given.x, pd.DataFrame):
        return "none"
    empty = given.x.isna().sum()
    return ", ".join(_shortened([f"{name} {count:,}" for name, count in empty[empty > 0].items()])) or "none"


def _splits(given: Samples, own: Specification, y: np.ndarray, split: np.ndarray) -> str:
    how = "as given" if given.split is not None else "carved"
    lacking = (
        [
            f"{name} has no {own.labels[number]!r}"
            for name in SPLITS
            for number in np.flatnonzero(np.bincount(y[split == name], minlength=len(own.labels)) == 0)
            if own.kind == "classification"
        ]
        if own.labels
        else []
    )
    counts = ", ".join(f"{name} {int((split == name).sum()):,}" for name in SPLITS)
    return f"{counts}, {how}" + (f"; {', '.join(_shortened(lacking))}" if lacking else "")


def _shortened(items: list[str] | tuple[str, ...]) -> list[str]:
    more = len(items) - _SHOWN
    return [*items[:_SHOWN], f"{more} more"] if more > 0 else list(items)
