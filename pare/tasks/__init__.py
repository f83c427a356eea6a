"""The registry of tasks: a name and the module that holds it, imported when first asked for."""

from importlib import import_module

from pare.errors import RequestError
from pare.tasks.task import Task

_MODULES = {
    "cifar100": "pare.tasks.cifar100",
    "cosmic": "pare.tasks.cosmic",
    "darcy": "pare.tasks.darcy",
    "deepsea": "pare.tasks.deepsea",
    "ecg": "pare.tasks.ecg",
    "fractals": "pare.sources.fractals",
    "fsd50k": "pare.tasks.fsd50k",
    "ninapro": "pare.tasks.ninapro",
    "psicov": "pare.tasks.psicov",
    "satellite": "pare.tasks.satellite",
    "signals": "pare.sources.signals",
    "spherical": "pare.tasks.spherical",
}
_SOURCES = frozenset({"fractals", "signals"})


def names() -> tuple[str, ...]:
    """The registered target tasks."""
    return tuple(name for name in _MODULES if name not in _SOURCES)


def get(name: str) -> Task:
    """The task (or source proxy) called `name`.

    Raises:
        RequestError: no such task; lists those there are.
    """
    if name not in _MODULES:
        raise RequestError(f"unknown task {name!r}: choose from {', '.join(names())}")
    task: Task = import_module(_MODULES[name]).TASK
    return task
