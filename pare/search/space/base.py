"""The published configuration of a task, from which a request starts, and its space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from pare import sources, tasks
from pare.config import Run
from pare.data.task import Task
from pare.method import catalogue
from pare.search.cluster import machine
from pare.search.request import METHODS, Preset, PresetName, Request
from pare.search.space import table
from pare.search.space.apply import apply
from pare.search.study import experience
from pare.search.study.space import Space, for_run


def preset_of(request: Request, nodes: Sequence[Mapping[str, Any]]) -> tuple[PresetName, str]:
    """Return the preset, and why it is that one; `nodes` are the machines in the format of `ray.nodes()`."""
    if request.preset != "auto":
        return request.preset, "as asked for"
    gpus = resources(nodes)["GPU"]
    return ("paper", f"Ray sees {gpus:g} GPUs") if gpus else ("laptop", "Ray sees no GPU")


def resources(nodes: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the total CPUs and GPUs of all machines."""
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    return {name: sum(each.get(name, 0.0) for each in alive) for name in ("CPU", "GPU")}


def settings_of(task: Task, preset: PresetName, request: Request, earlier: Run | None = None) -> Mapping[str, Any]:
    """Return a task's published settings, changed by the preset, --body and --source; a body brings its own source.

    The laptop preset's learning rate is for its own small bodies: another body gets the published one, if that is
    lower, unless an `earlier` session began without this rule.
    """
    rate = "optimizer.lr.body"
    settings = {**task.paper, **(task.laptop if preset == "laptop" else {})}
    if request.body and request.body != settings["body"]:
        settings |= {"body": request.body, "source": sources.of_body(request.body, settings["source"])}
        began = earlier is not None and earlier.optimizer.lr.body == settings.get(rate)
        if request.body not in catalogue.SMALL and rate in task.paper and not began:
            settings[rate] = min(settings[rate], task.paper[rate])
    settings["source"] = request.source or settings["source"]
    return settings


def base_of(task: Task, settings: Mapping[str, Any], request: Request, data: str = "", source_data: str = "") -> Run:
    """Return the published configuration of a task on prepared data, by key, with --epochs."""
    run = Run(
        task=task.name,
        data=data,
        body=settings["body"],
        source=settings["source"],
        source_data=source_data,
        seed=request.seed,
    ).replace(settings)
    return run.replace({"epochs": request.epochs}) if request.epochs else run


def with_changes(task: Task, base: Run, request: Request, preset: Preset) -> tuple[Run, Space]:
    """Return the published configuration and the space around it, with --space-file, --set and --search.

    Raises:
        RequestError: a searched setting has no effect, or the space has runs that cannot be.
    """
    space = (preset.space or for_run)(base, task.modality)
    if not request.warm_start:
        space = space.taught(experience.nothing)
    return apply(request.changes, base, space, request.methods or METHODS)


def show(request: Request, presets: Mapping[PresetName, Preset], console: Console) -> None:
    """Print the space of each task of the request."""
    name, why = preset_of(request, [machine.node()])
    console.print(f"preset {name}: {why}", highlight=False)
    for task in map(tasks.get, request.tasks or presets[name].tasks):
        published = base_of(task, settings_of(task, name, request), request)
        base, space = with_changes(task, published, request, presets[name])
        console.print()
        console.print(table.render(task.name, base, space, request.methods or METHODS))
