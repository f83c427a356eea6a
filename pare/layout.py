"""Paths in a sweep's directory. Users, tests and scripts rely on these names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "sweep.json"
TENSORBOARD = "tb"
STUDY = "study.db"
RUNNING = "running"
MODEL = "model"
"""Folder of a confirmation's model, in its own folder below `running`."""

RUN = "run.json"
"""File in a model's folder that describes the run that made it."""


def folder_after_search(settings: Mapping[str, Any]) -> str:
    """Return the name of a run's folder below `running` after the search; `settings` are all of the run's, by name.

    The same run has the same folder, whatever it is for: a confirmation goes on where a race has trained it.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"final-{settings['method']}-{settings['seed']}-{digest[:12]}"


@dataclass(frozen=True)
class SweepDir:
    """`OUT`, the directory of a sweep."""

    path: Path

    @property
    def manifest(self) -> Path:
        """File with request, space, versions, commit and machine; without it the directory holds no sweep."""
        return self.path / MANIFEST

    @property
    def spent(self) -> Path:
        """File with the hours, GPU-hours and dollars that the sweep has used, over all sessions."""
        return self.path / "spent.json"

    @property
    def report(self) -> Path:
        """The report as a web page."""
        return self.path / "report.html"

    @property
    def leaderboard(self) -> Path:
        """The leaderboard as data."""
        return self.path / "leaderboard.parquet"

    @property
    def leaderboard_page(self) -> Path:
        """The leaderboard in Markdown."""
        return self.path / "leaderboard.md"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's runs, `<task>/<trial>`."""
        return self.path / TENSORBOARD

    @property
    def ray(self) -> Path:
        """Folder that Ray writes to while the sweep runs."""
        return self.path / ".ray"

    def task(self, name: str) -> TaskDir:
        """Return the directory of one task."""
        return TaskDir(self.path / name)


@dataclass(frozen=True)
class TaskDir:
    """`OUT/<task>`, the directory of one task of a sweep."""

    path: Path

    @property
    def study(self) -> Path:
        """The Optuna study, a SQLite file."""
        return self.path / STUDY

    @property
    def space(self) -> Path:
        """The search space, in the form of `--space-file`: a record, which no sweep reads."""
        return self.path / "space.toml"

    @property
    def best(self) -> Path:
        """Folder of the task's best model."""
        return self.path / "best"

    @property
    def running(self) -> Path:
        """Folder of checkpoints and models, one folder per run, until the task's best model is saved."""
        return self.path / RUNNING

    def table(self, name: str) -> Path:
        """Return the path of a table: trials, curves, race, confirm, published or baselines."""
        return self.path / f"{name}.parquet"
