"""Each library has its place. The direction of imports is declared in pyproject.toml and checked by import-linter."""

import ast
import tomllib
from collections import Counter, defaultdict
from fnmatch import fnmatch
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


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_each_library_has_its_room(path):
    where = path.relative_to(PACKAGE).as_posix()
    for name in imports(path):
        if name.startswith("ray.train"):
            assert where == "training/launch.py"
        if name.startswith(("ray.tune", "optuna")):
            assert where.startswith("search/")
        if name == "ray" or name.startswith("ray."):
            assert where.startswith("search/") or where in {"training/launch.py", "data/parallel.py"}
        if name.startswith("transformers"):
            assert where in {"method/body.py", "method/hub_models.py"} or where.startswith("method/bodies/")
        if name.startswith(("tensorboard", "torch.utils.tensorboard")):
            assert where in {"reporting/tensorboard/writer.py", "reporting/tensorboard/event_files.py"}
        if name == "ot" or name.startswith("ot."):
            assert where == "method/alignment.py"
        if name.startswith("pickle"):
            assert where == "data/official/pickles.py"


def test_there_is_no_utils():
    assert not [path for path in MODULES if path.stem in {"utils", "util", "helpers", "common", "misc"}]


ROOT = PACKAGE.parent
FILES = sorted(path for folder in ("pare", "sweeps", "cluster", "tests") for path in (ROOT / folder).rglob("*.py"))
READ_IN_ONE_PIECE = {"fit in pare/training/loop.py", "for_run in pare/search/study/space.py"}
"""Longer than a function should be: the visible training loop, and the search space, which is a list."""


def test_no_folder_holds_more_than_twenty_files():
    crowded = {str(folder): n for folder, n in Counter(path.parent for path in FILES).items() if n > 20}
    assert not crowded


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_are_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and f"{node.name} in {path.relative_to(ROOT)}" not in READ_IN_ONE_PIECE:
            assert node.end_lineno - node.lineno < 60, node.name


def test_no_two_public_classes_have_one_name():
    where = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(str(path.relative_to(PACKAGE)))
    assert not {name: paths for name, paths in where.items() if len(paths) > 1}


def test_a_wheel_installs_this_package_alone():
    find = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert {name for name in packages if any(fnmatch(name, pattern) for pattern in find["include"])} == {"pare"}
