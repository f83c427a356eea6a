"""A task of one's own in one file: which of three pitches a noisy recording holds.

python sweeps/nas360.py --tasks tests/tasks/example.py
    sweeps it; a copy of this file elsewhere is found by its path likewise. A package instead names its task as an entry
    point, and it is then found by its name: `[project.entry-points."pare.tasks"]` with `pitch = "my_package:TASK"`.

What each attribute means and may be stands in `pare/data/task.py`. Of the three methods `write_synthetic` writes files
of the very format that the real ones have, for who has none; `read` makes splits of either; `encode` takes what a user
gives to the finished model.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pare.data import checks
from pare.data.official.pickles import load_npy
from pare.data.task import SPLITS, ProgressCallback, Raw, Recipe, Task
from pare.losses import cross_entropy

LENGTH = 200
"""Values of a recording; a patch of 10 makes 20 tokens of it."""

PITCHES = (5, 8, 13)
"""Waves that fit into one."""


class Pitch(Task):
    """Recordings of three pitches."""

    # What the data are: one channel of 200 values in, one of three classes out.
    name = "pitch"
    title = "Pitch (example)"
    kind = "classification"
    version = 1  # to be raised with every change of `read` or `encode`
    shape = (1, LENGTH)
    output_shape = (len(PITCHES),)
    labels = ("low", "middle", "high")

    # What is minimised, and what the search goes by.
    criterion = staticmethod(cross_entropy)
    metric = checks.ERROR

    # Where they come from. Files that lie in DATA_ROOT/pitch/raw are real; what `write_synthetic` writes is not.
    files = ("recordings.npy", "pitches.npy")
    homepage = "the shelf above the piano"
    synthetic = "simulated"
    recipes: ClassVar[Mapping[str, Recipe]] = {"laptop": {"recordings": 240, "seed": 0}}

    # Settings of a run (`pare.config.Run`), by their dotted names: the paper preset's, and what laptop changes of them.
    paper: ClassVar[Mapping[str, Any]] = {
        "epochs": 20,
        "body": "FacebookAI/roberta-base",
        "source": "conll2000",
        "patch": 10,
        "optimizer.batch": 32,
    }
    laptop: ClassVar[Mapping[str, Any]] = {
        "epochs": 5,
        "body": "roberta-mini",
        "source": "signals",
        **{f"optimizer.lr.{group}": 1e-3 for group in ("embedder", "body", "gate", "heads")},
    }

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Waves of any phase under noise twice as strong."""
        rng = np.random.default_rng(int(recipe["seed"]))
        count = int(recipe["recordings"])
        y = rng.integers(len(PITCHES), size=count)
        angle = 2 * np.pi * np.array(PITCHES)[y][:, None] * np.arange(LENGTH) / LENGTH
        waves = np.sin(angle + rng.uniform(0, 2 * np.pi, (count, 1)))
        np.save(folder / self.files[0], (waves + 2 * rng.standard_normal(waves.shape)).astype(np.float32))
        np.save(folder / self.files[1], y)
        progress(count, count)

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """The first 70 % for training, 15 % each for validation and test; every recording is a group of its own."""
        recordings, pitches = (folder / name for name in self.files)
        x = checks.numbers(recordings, "recordings", load_npy(recordings), (LENGTH,), least=10)
        y = checks.classes(pitches, "pitches", load_npy(pitches), len(x), len(PITCHES))
        edges = [0, *(np.array((0.7, 0.85, 1.0)) * len(x)).astype(int)]
        parts = [(self.encode(x[a:b]), y[a:b]) for a, b in pairwise(edges)]
        progress(len(SPLITS), len(SPLITS))
        # Of the training samples alone.
        statistics = {"input_mean": parts[0][0].mean((0, 2))[:, None], "input_std": parts[0][0].std((0, 2))[:, None]}
        return checks.raw(*parts, statistics=statistics)

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Recordings (n, 200) → (n, 1, 200) float32."""
        return checks.batch(raw, ((LENGTH,),), f"recordings (n, {LENGTH})").astype(np.float32)[:, None]


TASK = Pitch()
