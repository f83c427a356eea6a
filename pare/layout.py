"""Where everything in a sweep's directory is. The names are a contract: users, tests and scripts go by them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MANIFEST = "sweep.json"
TENSORBOARD = "tb"
STUDY = "study.db"
RUNNING = "running"
MODEL = "model"
"""Where a confirmation leaves its model, in its folder below `running`."""

RUN = "run.json"
"""What a model's folder says of the run that made it."""


@dataclass(frozen=True)
class SweepDir:
    """`OUT`, the directory of a sweep."""

    path: Path

    @property
    def manifest(self) -> Path:
        """The request, the space, versions, commit and machine; without it the directory holds no sweep."""
        return self.path / MANIFEST

    @property
    def spent(self) -> Path:
        """Hours, GPU-hours and dollars that the sweep has used, over all sessions."""
        return self.path / "spent.json"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    @property
    def leaderboard(self) -> Path:
        """The leaderboard for machines."""
        return self.path / "leaderboard.parquet"

    @property
    def leaderboard_page(self) -> Path:
        """The leaderboard for people, in Markdown."""
        return self.path / "leaderboard.md"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's runs, `<task>/<trial>`."""
        return self.path / TENSORBOARD

    @property
    def ray(self) -> Path:
        """What Ray writes while the sweep runs."""
        return self.path / ".ray"

    def task(self, name: str) -> TaskDir:
        """What belongs to one task."""
        return TaskDir(self.path / name)


@dataclass(frozen=True)
class TaskDir:
    """`OUT/<task>`."""

    path: Path

    @property
    def study(self) -> Path:
        """The Optuna study, a SQLite file."""
        return self.path / STUDY

    @property
    def best(self) -> Path:
        """The model that is kept."""
        return self.path / "best"

    @property
    def running(self) -> Path:
        """Where runs leave checkpoints and models, each in a folder of its own, until the task's best model is kept."""
        return self.path / RUNNING

    def table(self, name: str) -> Path:
        """A table of `pare.reporting.schema`: trials, curves, confirm, published or baselines."""
        return self.path / f"{name}.parquet"
