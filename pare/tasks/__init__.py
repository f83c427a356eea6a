"""The registry of tasks: a name and the module that holds it, imported when first asked for.

Beside those below there are tasks of other packages, as entry points of the group `pare.tasks` (name = "module:TASK"),
those of a Python file, given by its path, and those that `pare own` and `pare openml-cc18` made of data. The
last two are this process's own: it tells other processes of them by their `definitions`, which those `adopt`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from pare.data.task import Task
from pare.errors import RequestError

_MODULES = {
    "cifar10": "pare.sources.images.cifar10",
    "cifar100": "pare.tasks.nas360.cifar100.task",
    "conll2000": "pare.sources.text.conll2000",
    "conll2003": "pare.sources.text.conll2003",
    "cosmic": "pare.tasks.nas360.cosmic.task",
    "darcy": "pare.tasks.nas360.darcy.task",
    "deepsea": "pare.tasks.nas360.deepsea.task",
    "ecg": "pare.tasks.nas360.ecg.task",
    "fractal-masks": "pare.sources.formula.fractal_masks",
    "fractals": "pare.sources.formula.fractals",
    "fsd50k": "pare.tasks.nas360.fsd50k.task",
    "ninapro": "pare.tasks.nas360.ninapro.task",
    "pde-advection": "pare.tasks.pdebench.advection",
    "pde-advection-rollout": "pare.tasks.pdebench.rollout:ADVECTION",
    "pde-burgers": "pare.tasks.pdebench.burgers",
    "pde-darcy": "pare.tasks.pdebench.darcy",
    "pde-diffusion-reaction": "pare.tasks.pdebench.diffusion_reaction",
    "pde-diffusion-reaction-2d": "pare.tasks.pdebench.diffusion_reaction_2d",
    "pde-diffusion-reaction-2d-full": "pare.tasks.pdebench.diffusion_reaction_2d_full",
    "pde-diffusion-reaction-2d-rollout": "pare.tasks.pdebench.rollout:DIFFUSION_REACTION_2D",
    "pde-diffusion-sorption": "pare.tasks.pdebench.diffusion_sorption",
    "pde-navier-stokes": "pare.tasks.pdebench.navier_stokes",
    "pde-shallow-water": "pare.tasks.pdebench.shallow_water",
    "psicov": "pare.tasks.nas360.psicov.task",
    "satellite": "pare.tasks.nas360.satellite.task",
    "signals": "pare.sources.formula.signals",
    "spherical": "pare.tasks.nas360.spherical.task",
    "text": "pare.sources.text.stdlib",
    "tiny-imagenet": "pare.sources.images.tiny_imagenet",
    "voc2012": "pare.sources.images.voc2012",
}
_SOURCES = frozenset(
    {"cifar10", "conll2000", "conll2003", "fractal-masks", "fractals", "signals", "text", "tiny-imagenet", "voc2012"}
)


@dataclass(frozen=True)
class Definition:
    """A task of the user's own as data: the file that specifies or defines it, which other machines may not have."""

    path: str
    text: str


_own: list[Definition] = []


def names() -> tuple[str, ...]:
    """The registered target tasks."""
    return tuple(name for name in _MODULES if name not in _SOURCES)


def sources() -> tuple[str, ...]:
    """The registered source proxies."""
    return tuple(name for name in _MODULES if name in _SOURCES)


def get(name: str) -> Task:
    """The task (or source proxy) called `name`, or that of a Python file if `name` is the path of one.

    Raises:
        RequestError: no such task; lists those there are. Or the file defines none.
    """
    if name.endswith(".py"):
        from pare.tasks.own import task as own  # what it imports is for those who need it

        return own.of_file(Path(name), taken=_MODULES)
    if name not in _MODULES:
        if found := _elsewhere(name):
            return found
        if name.startswith("ucr-"):
            from pare.tasks.ucr import task as ucr  # with scikit-learn's models

            return ucr.named(name)
        if name.startswith("openml-"):
            raise RequestError(f"{name} is made by sweeps/openml_cc18.py: run that, or pare openml-cc18")
        raise RequestError(f"unknown task {name!r}: choose from {', '.join(names())}")
    module, _, attribute = _MODULES[name].partition(":")
    task: Task = getattr(import_module(module), attribute or "TASK")
    return task


def require(name: str) -> None:
    """See that there is a task of that name; one of this package is not imported for it.

    Raises:
        RequestError: as `get` does.
    """
    if name not in _MODULES:
        get(name)


def definitions() -> tuple[Definition, ...]:
    """The tasks of the user's own that this process knows, as data for other processes."""
    return tuple(_own)


def adopt(definitions: Iterable[Definition]) -> None:
    """Know the user's own tasks that another process knows, and no others."""
    _own[:] = definitions


def _elsewhere(name: str) -> Task | None:
    for entry in entry_points(group="pare.tasks", name=name):
        task: Task = entry.load()
        return task
    if _own:
        from pare.tasks.own import task as own

        return own.named(name)
    return None
