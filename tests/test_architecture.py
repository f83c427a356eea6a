"""The direction of imports: data moves one way, and each library has one room."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pare"
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path):
    """Every module that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path):
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


# Which rooms of the package a room may look into.
MAY = {
    "method": {"method"},
    "tasks": {"tasks", "method", "sources"},
    "sources": {"sources", "tasks", "method"},
    "training": {"training", "method", "tasks"},
    "reporting": {"reporting", "tasks", "method"},
    "search": {"search", "training", "reporting", "sources", "tasks", "method"},
}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_look_one_way(path):
    own = room(path)
    for name in imports(path):
        parts = name.split(".")
        if own and parts[0] == "pare" and len(parts) > 1 and parts[1] in MAY:
            assert parts[1] in MAY[own], f"{own} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_each_library_has_its_room(path):
    where = path.relative_to(PACKAGE).as_posix()
    for name in imports(path):
        if name.startswith("ray.train"):
            assert where == "training/launch.py"
        if name.startswith(("ray.tune", "optuna")):
            assert where.startswith("search/")
        if name == "ray" or name.startswith("ray."):
            assert where.startswith("search/") or where in {"training/launch.py", "tasks/parallel.py"}
        if name.startswith("transformers"):
            assert where == "method/body.py"
        if name.startswith(("tensorboard", "torch.utils.tensorboard")):
            assert where == "reporting/tensorboard.py"
        if name == "ot" or name.startswith("ot."):
            assert where == "method/alignment.py"
        if name.startswith("pickle"):
            assert where == "tasks/pickles.py"


def test_there_is_no_utils():
    assert not [path for path in MODULES if path.stem in {"utils", "util", "helpers", "common", "misc"}]
