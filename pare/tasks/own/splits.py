"""Split samples as the user says, or at random so that no group and no sample is in two splits."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from pare.data.tabular import rows_text
from pare.data.task import SPLITS
from pare.errors import DataError, quoted
from pare.tasks.own.samples import Samples


def divide(path: Path, samples: Samples, strata: np.ndarray, share: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """Return the split (n,) str and the group (n,) int64 of each sample: given, or drawn within `strata` (n,).

    If drawn, test and validation get a `share` each. Without groups, equal samples form one, so that no sample is in
    two splits.

    Raises:
        DataError: the given splits are not train, val and test, or share a group or a sample (names the rows); or there
            are too few groups for three splits.
    """
    keys = _identity(samples.x) if samples.group is None else samples.group
    group = _numbered(keys)
    what = "different samples" if samples.group is None else "groups"
    if samples.split is None:
        count = int(group.max()) + 1
        if count < len(SPLITS):
            raise DataError(f"{path} has {count} {what}: give at least 3, one each for train, val and test")
        split = _carve(group, strata, share)
        if "val" not in split:  # too few groups per class: val gets half of those for test
            of_test = np.unique(group[split == "test"])
            split[np.isin(group, of_test[1::2])] = "val"
        if set(split) < set(SPLITS):
            raise DataError(f"{path} has too few {what} of each class: give at least 3, or a split of your own")
        return split, group
    split = samples.split.astype(str)
    other = ~np.isin(split, SPLITS)
    if other.any():
        raise DataError(
            f"{path}: split is {quoted(split[other][0])} in {rows_text(np.flatnonzero(other))}: give train, val, test"
        )
    for name in SPLITS:
        if name not in split:
            raise DataError(f"{path}: no row's split is {quoted(name)}: give all three, or none to have them carved")
    first = np.full(group.max() + 1, -1)
    first[group[::-1]] = np.arange(len(group))[::-1]
    leaked = np.flatnonzero(split != split[first[group]])
    if len(leaked):
        raise DataError(
            f"{path}: the {'sample' if samples.group is None else 'group'} of row {first[group[leaked[0]]]} is also in "
            f"another split, {rows_text(leaked)}: leave it in one"
        )
    return split, group


def _numbered(keys: np.ndarray) -> np.ndarray:
    """Number groups (n,) int64 in the order of their keys; keys of mixed types are compared as text."""
    keys = keys.astype(str) if keys.dtype.kind == "O" else keys
    return np.unique(keys, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _identity(x: np.ndarray | pd.DataFrame) -> np.ndarray:
    if isinstance(x, pd.DataFrame):
        return pd.util.hash_pandas_object(x, index=False).to_numpy()
    rows = np.ascontiguousarray(x)
    return np.array([hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest() for row in rows])


def _carve(group: np.ndarray, strata: np.ndarray, share: float) -> np.ndarray:
    """Draw splits of whole groups with a fixed seed; a group belongs to the stratum of its first sample."""
    rng = np.random.default_rng(0)
    numbers, first = np.unique(group, return_index=True)
    of = np.full(len(numbers), "train", dtype="<U5")
    for stratum in np.unique(strata[first]):
        members = rng.permutation(np.flatnonzero(strata[first] == stratum))
        count = max(1, round(share * len(members)))
        of[members[:count]] = "test" if len(members) > 1 else "train"
        of[members[count : 2 * count]] = "val" if len(members) > 2 else "train"
    return of[group]
