"""Text that is always there: the sources of Python's standard library, and eight kinds of text found in them."""

from __future__ import annotations

import ast
import hashlib
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from pare.data.task import SPLITS
from pare.errors import RequestError

KINDS = ("documentation", "comment", "definition", "assignment", "condition", "call", "result", "error")
"""Docstrings, lines of comment, and the statements that define, assign, ask, call, return and raise."""

# What not every installation has, what comes from elsewhere, and tables of character sets.
_LEFT_OUT = {"test", "tests", "idlelib", "turtledemo", "tkinter", "ensurepip", "distutils", "lib2to3", "pydoc_data"}
_LEFT_OUT |= {"site-packages", "dist-packages", "encodings", "__pycache__"}
_PARTS = 8  # of the modules, one for validation and one for test


def modules() -> dict[str, str]:
    """The standard library's modules, path below its folder → source, in alphabetical order.

    Raises:
        RequestError: this Python has none of its sources.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    kept: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = set(folders) - _LEFT_OUT
        # `_sysconfigdata…` tells of the machine that Python was built on.
        names = (name for name in files if name.endswith(".py") and not name.startswith("_sysconfig"))
        kept += (Path(place, name).relative_to(folder) for name in names)
    if not kept:
        raise RequestError(f"{folder} holds no Python sources: use a Python that comes with its standard library")
    return {path.as_posix(): (folder / path).read_text(encoding="utf-8", errors="replace") for path in sorted(kept)}


def split(module: str) -> str:
    """Return the split of a module by its name alone: it stays there whatever else a Python version brings."""
    part = int.from_bytes(hashlib.sha256(module.encode()).digest()[:8]) % _PARTS
    return SPLITS[part] if part in (1, 2) else SPLITS[0]


def passages(source: str) -> dict[str, str]:
    """Return a module's statements, comment lines and docstrings, by `KINDS`.

    The kind is the node's own in Python's grammar, so that no label is a guess. Statements come as `ast.unparse` has
    them. A module that this Python's own grammar does not take (a template, a test of errors) holds nothing.
    """
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return dict.fromkeys(KINDS, "")
    quoted: set[int] = set()
    for node in ast.walk(tree):
        for kind, text in _of(node):
            found[kind].append(text)
        if isinstance(node, ast.Constant | ast.JoinedStr):
            quoted |= set(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
    rows = enumerate(source.split("\n"), start=1)
    # A line that begins with # is a comment unless it is inside a string.
    found["comment"] = [
        row.strip().lstrip("#! ") for number, row in rows if row.lstrip().startswith("#") and number not in quoted
    ]
    return {kind: "\n".join(filter(None, texts)) for kind, texts in found.items()}


def _of(node: ast.AST) -> Iterator[tuple[str, str]]:
    """(kind, text) of what a node itself is, not of what is in its body."""
    match node:
        case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield "documentation", ast.get_docstring(node) or ""
            if isinstance(node, ast.ClassDef):
                yield "definition", f"class {node.name}({', '.join(map(ast.unparse, node.bases))}):"
            elif not isinstance(node, ast.Module):
                yield "definition", f"def {node.name}({ast.unparse(node.args)}):"
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            yield "assignment", ast.unparse(node)
        case ast.If() | ast.While():
            yield "condition", f"{type(node).__name__.lower()} {ast.unparse(node.test)}:"
        case ast.Expr(value=ast.Call()):
            yield "call", ast.unparse(node)
        case ast.Return():
            yield "result", ast.unparse(node)
        case ast.Raise() | ast.Assert():
            yield "error", ast.unparse(node)
