"""Each library has its room. The direction of imports is declared in pyproject.toml and checked by import-linter."""

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
            assert where in {"method/body.py", "method/hub_models.py", "method/swin.py"}
        if name.startswith(("tensorboard", "torch.utils.tensorboard")):
            assert where == "reporting/tensorboard.py"
        if name == "ot" or name.startswith("ot."):
            assert where == "method/alignment.py"
        if name.startswith("pickle"):
            assert where == "data/official/pickles.py"


def test_there_is_no_utils():
    assert not [path for path in MODULES if path.stem in {"utils", "util", "helpers", "common", "misc"}]
