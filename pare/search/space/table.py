"""A task's search space as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pare.config import MethodName, Run
from pare.search.space.changes import DERIVED, settings
from pare.search.study.domains import text
from pare.search.study.space import Dimension, Space, from_run


def render(task: str, base: Run, space: Space, methods: Sequence[MethodName]) -> RenderableType:
    """Return a row per searched or fixed setting, and a line of those that are neither."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("setting", "domain", "published", "condition"):
        table.add_column(name, no_wrap=name == "setting", overflow="fold")
    published = from_run(base)
    for dimension in space.dimensions:
        if any(dimension.belongs_to(method) for method in methods):
            value = _short(published[dimension.name])
            row = (dimension.name, _domain(dimension.values), value, _condition(dimension, methods))
            table.add_row(*map(Text, row))
    for name, value in space.fixed.items():
        table.add_row(*map(Text, (name, f"{_short(value)} (fixed)", "", "")))
    searched = {dimension.name for dimension in space.dimensions}
    if searched & DERIVED.keys():
        searched.add("curriculum.end")
    others = [f"{n} {_short(published[n])}" for n in settings() if n not in searched and n not in space.fixed]
    title = Text(f"{task}: {', '.join(methods)}", style="bold")
    return Group(title, table, Text(f"not searched: {', '.join(others)}"))


def _condition(dimension: Dimension, methods: Sequence[MethodName]) -> str:
    """Return the methods that have a setting, if not all do, and what it depends on."""
    having = [method for method in methods if dimension.belongs_to(method)]
    parts = [", ".join(having)] if len(having) < len(methods) else []
    if dimension.when is not None:
        sign = "not" if dimension.when.negated else "="
        last = dimension.when.name.rpartition(".")[2]
        parts.append(f"{last} {sign} {' or '.join(map(_short, dimension.when.values))}")
    return "; ".join(parts)


def _domain(values: BaseDistribution) -> str:
    if isinstance(values, CategoricalDistribution):
        return ", ".join(map(_short, values.choices))
    assert isinstance(values, FloatDistribution | IntDistribution)  # noqa: S101 - there are no others
    return f"{_short(values.low)}:{_short(values.high)}" + (":log" if values.log else "")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else text(value)
