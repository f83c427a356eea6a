"""Tiny files in the archive's own layout: what a set's files look like, with random series."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pare.tasks.ucr.sets import SeriesSet, named


def series(of: SeriesSet, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Series (n, length), sines of a frequency by class under noise, and labels (n,) from 1, of both files."""
    rng = np.random.default_rng(seed)
    parts = []
    for rows in (of.train, of.test):
        y = 1 + np.arange(rows) % of.classes
        waves = np.sin(2 * np.pi * y[:, None] * np.linspace(0, 1, of.length))
        parts.append(((waves + 0.3 * rng.standard_normal(waves.shape)).round(5), y))
    return parts


def tsv(x: np.ndarray, y: np.ndarray) -> str:
    return "".join("\t".join([str(label), *(f"{v:g}" for v in row)]) + "\n" for row, label in zip(x, y, strict=True))


def ts(x: np.ndarray, y: np.ndarray, words: bool = False) -> str:
    """The form .ts: a series ends with its last value, and ? stands for one that is missing."""
    lines = []
    for row, label in zip(x, y, strict=True):
        known = row[: np.flatnonzero(~np.isnan(row))[-1] + 1]
        values = ",".join("?" if np.isnan(v) else f"{v:g}" for v in known)
        lines.append(f"{values}:{'abcdefghij'[label - 1] if words else label}")
    return "\n".join(["# comment", "@problemName Test", "@univariate true", "@data", *lines]) + "\n"


def write(folder: Path, name: str = "ecg200", seed: int = 0, form: str = ".tsv") -> None:
    """Write both files of a set."""
    of = named(name)
    folder.mkdir(parents=True, exist_ok=True)
    for file, part in zip(of.files, series(of, seed), strict=True):
        (folder / Path(file).with_suffix(form)).write_text((tsv if form == ".tsv" else ts)(*part))
