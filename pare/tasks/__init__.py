"""The registry of tasks: a name and the module that holds it, imported when first asked for.

Beside those below there are tasks of other packages, as entry points of the group `pare.tasks` (name = "module:TASK"),
those of a Python file, given by its path, and those that `sweeps/own.py` and `sweeps/openml_cc18.py` made of data;
`PARE_OWN` names the files of the last two (`pare.tasks.own`).
"""

import os
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from pare.errors import RequestError
from pare.tasks.task import Task

_MODULES = {
    "cifar10": "pare.sources.cifar10",
    "cifar100": "pare.tasks.cifar100",
    "conll2000": "pare.sources.conll2000",
    "conll2003": "pare.sources.conll2003",
    "cosmic": "pare.tasks.cosmic",
    "darcy": "pare.tasks.darcy",
    "deepsea": "pare.tasks.deepsea",
    "ecg": "pare.tasks.ecg",
    "fractal-masks": "pare.sources.fractal_masks",
    "fractals": "pare.sources.fractals",
    "fsd50k": "pare.tasks.fsd50k",
    "ninapro": "pare.tasks.ninapro",
    "pde-advection": "pare.tasks.pdebench_advection",
    "pde-advection-rollout": "pare.tasks.pdebench_rollout:ADVECTION",
    "pde-burgers": "pare.tasks.pdebench_burgers",
    "pde-darcy": "pare.tasks.pdebench_darcy",
    "pde-diffusion-reaction": "pare.tasks.pdebench_diffusion_reaction",
    "pde-diffusion-reaction-2d": "pare.tasks.pdebench_diffusion_reaction_2d",
    "pde-diffusion-reaction-2d-full": "pare.tasks.pdebench_diffusion_reaction_2d_full",
    "pde-diffusion-reaction-2d-rollout": "pare.tasks.pdebench_rollout:DIFFUSION_REACTION_2D",
    "pde-diffusion-sorption": "pare.tasks.pdebench_diffusion_sorption",
    "pde-navier-stokes": "pare.tasks.pdebench_navier_stokes",
    "pde-shallow-water": "pare.tasks.pdebench_shallow_water",
    "psicov": "pare.tasks.psicov",
    "satellite": "pare.tasks.satellite",
    "signals": "pare.sources.signals",
    "spherical": "pare.tasks.spherical",
    "text": "pare.sources.text",
    "tiny-imagenet": "pare.sources.tiny_imagenet",
    "voc2012": "pare.sources.voc2012",
}
_SOURCES = frozenset(
    {"cifar10", "conll2000", "conll2003", "fractal-masks", "fractals", "signals", "text", "tiny-imagenet", "voc2012"}
)

OWN = "PARE_OWN"
"""Names the files that specify or define tasks of the user's own."""


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
        from pare.tasks import own  # what it imports is for those who need it

        return own.of_file(Path(name), taken=_MODULES)
    if name not in _MODULES:
        if found := _elsewhere(name):
            return found
        if name.startswith("openml-"):
            raise RequestError(f"{name} is made by sweeps/openml_cc18.py: run that")
        raise RequestError(f"unknown task {name!r}: choose from {', '.join(names())}")
    module, _, attribute = _MODULES[name].partition(":")
    task: Task = getattr(import_module(module), attribute or "TASK")
    return task


def environment() -> dict[str, str]:
    """The environment variables by which other processes find the same tasks."""
    return {OWN: os.environ[OWN]} if OWN in os.environ else {}


def _elsewhere(name: str) -> Task | None:
    for entry in entry_points(group="pare.tasks", name=name):
        task: Task = entry.load()
        return task
    if OWN in os.environ:
        from pare.tasks import own

        return own.named(name)
    return None
