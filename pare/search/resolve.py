"""Turns a request into a sweep that is ready to run; every check that can refuse a request is made here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pare import files, tasks
from pare.bucket import Folder
from pare.config import MethodName, Run
from pare.data import labels
from pare.data.labels import LabelBudget
from pare.data.provider import DataProvider
from pare.data.store import Prepared
from pare.data.task import Task
from pare.layout import SweepDir
from pare.method import catalogue
from pare.reporting import baselines, best_model, tables
from pare.reporting.parts import FOLDER
from pare.reporting.progress import SweepProgress
from pare.reporting.records import Purpose
from pare.search.budget import Budget
from pare.search.cluster import connection
from pare.search.executor import Executor
from pare.search.output import directory
from pare.search.output.directory import SweepManifest
from pare.search.plans import TaskPlan
from pare.search.request import METHODS, Preset, PresetName, Request
from pare.search.space.apply import changes_of, shapes
from pare.search.space.base import base_of, preset_of, resources, settings_of, with_changes
from pare.search.space.changes import Changes, dump
from pare.search.study import ShareUnit
from pare.search.study.journal import StudyJournal
from pare.search.study.space import Space
from pare.search.study.storage import sqlite
from pare.search.study.study import Study
from pare.search.sweep import Sweep

_BACKWARD = 3
"""Cost of a training sample in those of validation, about: forward and backward."""


@dataclass(frozen=True)
class ResolvedSweep:
    """A request that can be met, with its defaults filled in, its prepared data, and its plans in order."""

    name: str
    """Name of the script, such as `nas360`."""
    id: str
    request: Request
    out: Path
    remote: Folder | None
    provider: DataProvider
    plans: Sequence[TaskPlan]
    budget: Budget
    sweep: Sweep


def resolve(
    name: str,
    request: Request,
    presets: Mapping[PresetName, Preset],
    out: Path,
    remote: Folder | None,
    executor: Executor,
    progress: SweepProgress,
) -> ResolvedSweep:
    """Complete the request, prepare its data, build each task's model once, and open its studies in `out`.

    `remote` is the bucket's folder that `out` is a copy of, if there is one.

    Raises:
        RequestError: the request is wrong or cannot be met.
    """
    if remote is None and not request.plan:
        executor.require_shared(out)
    preset_name, why = preset_of(request, executor.nodes())
    preset = presets[preset_name]
    chosen = [tasks.get(task) for task in request.tasks or preset.tasks]
    provider = DataProvider.of(request.data_root, preset_name)
    budget = Budget(SweepDir(out).spent, request.caps, connection.price(request, executor.nodes))
    progress.console.print(f"preset {preset_name}: {why}", highlight=False)

    methods, share = _shares(request, out)
    asked, request = request, replace(request, methods=methods, share=share)
    bases, spaces, earlier = {}, {}, directory.earlier_bases(out)
    settings = {task.name: settings_of(task, preset_name, request, earlier.get(task.name)) for task in chosen}
    for body in dict.fromkeys(each["body"] for each in settings.values()):
        catalogue.require_body(body)
    for task in chosen:  # a wrong space is refused before anything is prepared
        with_changes(task, base_of(task, settings[task.name], request), request, preset)
    data: dict[tuple[str, str], Prepared] = {}  # by task, and by source and the body that reads it
    for task in chosen:
        base = _prepare(task, settings[task.name], data, provider, request, progress)
        bases[task.name], spaces[task.name] = with_changes(task, base, request, preset)
        if bases[task.name] != earlier.get(task.name) or request.changes.searched:
            for run in shapes(bases[task.name], spaces[task.name]):
                _require_model(run, data)
    executor.require_data(provider, data)

    whole, total = {task: changes_of(space) for task, space in spaces.items()}, resources(executor.nodes())
    manifest = directory.manifest(out, name, asked, preset_name, bases, whole, (methods, share), total)
    plans = [
        _plan(task, bases[task.name], spaces[task.name], data[task.name, ""], request, preset, out, manifest.id, remote)
        for task in chosen
    ]
    slots = executor.slots
    gpus = slots.workers.gpus * slots.workers.count
    sweep = Sweep(plans, out, [], slots.concurrent, gpus, budget, request.warm_start)
    if not sweep.finished:
        for base in bases.values():
            if base == earlier.get(base.task):  # an earlier session built it, perhaps on another machine
                _require_model(base, data)
    if not request.plan:  # nothing can refuse it any more
        _record(out, manifest, whole)
        _measure_baselines(out, chosen, data, progress)
    return ResolvedSweep(name, manifest.id, request, out, remote, provider, plans, budget, sweep)


def _prepare(
    task: Task,
    settings: Mapping[str, Any],
    data: dict[tuple[str, str], Prepared],
    provider: DataProvider,
    request: Request,
    progress: SweepProgress,
) -> Run:
    """Prepare a task and its source, adding them to `data`; return the task's published configuration."""
    source = settings["source"], settings["body"]
    for needed, body in ((task.name, ""), source):
        if (needed, body) not in data:
            with progress.preparing(needed) as show:
                data[needed, body] = provider.prepare(tasks.get(needed).for_body(body), show)
    base = base_of(task, settings, request, data[task.name, ""].key, data[source].key)
    return _with_few_labels(task, base, data, request, progress) if request.labels else base


def _shares(request: Request, out: Path) -> tuple[tuple[MethodName, ...], ShareUnit]:
    """Return the methods and the unit of their shares; an earlier session's, where the request gives none."""
    methods, unit = directory.earlier_shares(out) or (METHODS, "seconds")
    return request.methods or methods, request.share or unit


def _with_few_labels(
    task: Task, run: Run, data: dict[tuple[str, str], Prepared], request: Request, progress: SweepProgress
) -> Run:
    """Put the data of the request's labels in the place of the whole, say so, and return the run on them.

    Without --epochs the run gets more of them, so that training and validation compute as much as with all labels.
    """
    assert request.labels is not None  # noqa: S101 - called with some only
    whole = data[task.name, ""]
    few = data[task.name, ""] = labels.prepare(task, whole, LabelBudget(request.labels, request.seed))
    samples, epochs = few.counts["train"], run.epochs
    if not request.epochs:
        costs = [_BACKWARD * each.counts["train"] + each.counts["val"] for each in (whole, few)]
        epochs = round(epochs * costs[0] / costs[1])
    line = f"{task.name}: {request.labels:,} of {labels.count(task, whole.split('train')):,} training labels"
    line += f", {samples:,} samples" if samples != request.labels else ""
    line += f"; {epochs} epochs instead of {run.epochs}, for as much computing" if epochs != run.epochs else ""
    progress.console.print(line, highlight=False, soft_wrap=True)
    return run.replace({"data": few.key, "epochs": epochs})


def _record(out: Path, manifest: SweepManifest, spaces: Mapping[str, Changes]) -> None:
    """Write the manifest of the session and the space of each task."""
    manifest.write()
    for task, space in spaces.items():
        files.write_text(SweepDir(out).task(task).space, dump(space, f"The space of {task}, for --space-file."))


def _measure_baselines(
    out: Path, chosen: Sequence[Task], data: Mapping[tuple[str, str], Prepared], progress: SweepProgress
) -> None:
    """Measure the baselines of each task that has no table of them in `out`."""
    for task in chosen:
        if not baselines.path(out, task.name).exists():
            with progress.preparing(f"the baselines of {task.name}"):
                baselines.measure(out, task, data[task.name, ""])


def _require_model(run: Run, data: Mapping[tuple[str, str], Prepared]) -> None:
    """Build the run's model once, so that a body that does not fit or cannot be loaded is refused before any trial.

    Raises:
        RequestError: the body cannot be loaded, or body, task and source do not fit together.
    """
    from pare.method import methods  # with torch and transformers

    task, source = tasks.get(run.task), tasks.get(run.source)
    source_data = data[run.source, run.body]
    methods.build(run, task, task.criterion, data[run.task, ""].statistics, source, source_data.statistics)


def _plan(
    task: Task,
    base: Run,
    space: Space,
    data: Prepared,
    request: Request,
    preset: Preset,
    out: Path,
    sweep_id: str,
    remote: Folder | None,
) -> TaskPlan:
    folder = SweepDir(out).task(task.name)
    storage: str | None = request.study_storage or sqlite(folder.study)
    if request.plan and not folder.study.exists():
        storage = None  # a plan starts nothing
    else:
        folder.path.mkdir(exist_ok=True)
    study = Study(
        # A shared database may hold many sweeps; a file in OUT holds one.
        f"{out.name}-{sweep_id}-{task.name}" if request.study_storage else task.name,
        storage,
        task.metric.direction,
        base,
        space,
        request.methods,
        request.trials or preset.trials,
        request.seed,
        request.sampler,
        request.scheduler,
        # A bucket receives the changes of a study in OUT instead of the whole study each time.
        StudyJournal(folder.path / FOLDER) if remote is not None and not request.study_storage else None,
        request.share or "seconds",
    )
    seeds = request.seeds or preset.seeds
    after_search: tuple[Purpose, ...] = ("race", "confirm", "published")
    done = {
        (purpose, best_model.run_of(row)): row["validation"]
        for purpose in after_search
        for row in tables.load(out, purpose).to_pylist(maps_as_pydicts="strict")
        if row["task"] == task.name and row["state"] == "complete"
    }
    # The search's own seed is excluded: its trials were chosen on it.
    return TaskPlan(task, data, study, range(request.seed + 1, request.seed + 1 + seeds), done)
