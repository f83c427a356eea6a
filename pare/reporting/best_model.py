"""Keeps the best model of each task: the best confirmed one by validation, with a card that covers all seeds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pare.bucket import Folder
from pare.config import Run
from pare.data.task import Task
from pare.layout import MODEL, RUN, RUNNING, SweepDir, folder_after_search
from pare.reporting import tables
from pare.reporting.schema import CONFIRM


def run_of(row: Mapping[str, Any]) -> Run:
    """Return the run of a row of `trials`, `confirm` or `published`; settings newer than the row get their defaults."""
    settings = {name.removeprefix("config."): value for name, value in row.items() if name.startswith("config.")}
    return Run.from_flat({name: value for name, value in settings.items() if value is not None})


def folder_of(row: Mapping[str, Any]) -> str:
    """Return the name of the folder below `running` of a row's run after the search."""
    return folder_after_search(run_of(row).flat())


def keep_best(out: Path, task: Task, remote: Folder | None = None) -> None:
    """Leave the best confirmed model, also of an earlier session, in `OUT/<task>/best/`; delete the others.

    `remote` is the bucket folder that holds the models, if there is one; only the best is downloaded.
    """
    from pare.reporting import card, export  # with torch and transformers

    its = SweepDir(out).task(task.name)
    best, running = its.best, its.running
    rows = [row for row in tables.load(out, CONFIRM).to_pylist(maps_as_pydicts="strict") if row["task"] == task.name]
    kept = _run(best)
    models: list[tuple[Path, dict[str, Any]]] = []

    def holds(name: str) -> bool:
        return remote is not None and (remote / task.name / RUNNING / name / MODEL).holds(RUN)

    for row in rows:
        # Version 0.1 named the folder by the trial.
        names = folder_of(row), row["trial"]
        fresh = next((name for name in names if (running / name / MODEL).is_dir() or holds(name)), None)
        if fresh is not None:
            models.append((running / fresh / MODEL, row))
        elif kept is not None and kept == run_of(row):
            models.append((best, row))
    if models:
        pick = min if task.metric.direction == "minimize" else max
        models.sort(key=lambda pair: pair[1]["trial"])  # ties go to the first by name, in whatever order they ended
        source, chosen = pick(models, key=lambda pair: pair[1]["validation"])
        if remote and not source.is_dir():
            (remote / task.name / RUNNING / source.parent.name).pull_folder(MODEL, source)
        same = [row for row in rows if row["method"] == chosen["method"] and row["state"] == "complete"]
        tests = [row["test"] for row in same if row["test"] is not None]
        facts = {
            "validation": chosen["validation"],
            "test": float(np.mean(tests)),
            "spread": float(np.std(tests, ddof=1)) if len(tests) > 1 else None,
            "seeds": [row["seed"] for row in same],
            "gpu_hours": sum(row["gpu_hours"] for row in same),
            "provenance": chosen["provenance"],
        }
        card.card(task, run_of(chosen), facts).save(source / export.CARD)
        if source != best:
            shutil.rmtree(best, ignore_errors=True)
            source.rename(best)
    shutil.rmtree(running, ignore_errors=True)


def _run(folder: Path) -> Run | None:
    """Read the run of the model in a folder; None if there is none."""
    try:
        return Run.from_flat(json.loads((folder / RUN).read_text(encoding="utf-8"))["run"])
    except (OSError, ValueError, KeyError):
        return None
