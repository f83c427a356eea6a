"""Applies the user's changes to a task's published configuration and to the space around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from pare.config import MethodName, Run
from pare.errors import RequestError
from pare.search.space.changes import DERIVED, Changes, Choices, Interval, settings
from pare.search.study.domains import at, describe, text
from pare.search.study.space import FALLS, GATED, Condition, Dimension, Needs, Space

_NEEDS: Mapping[str, Needs] = {
    "curriculum.": "mixes",
    "mix_": "mixes",
    "source_head.": "borrows",
    "gate.": "gates",
    "init.gate": "gates",
    "optimizer.lr.gate": "gates",
    "alignment.": "aligns",
    "tuning.lora_rank": "adapts",
    "tuning.body": "adapts",
}
"""What a method needs to have an added setting, by the beginning of the setting's name."""

_WHEN: Mapping[str, Condition] = {
    "curriculum.end": FALLS,
    "gate.hidden": GATED,
    "init.gate": GATED,
    "optimizer.momentum": Condition("optimizer.name", ("sgd",)),
}
"""Conditions under which added settings have an effect."""

_SHAPES = ("patch", "num_hidden_layers", "image_size", "patch_size")
"""Settings whose values a body may not have."""

_DRAWN = 50
"""Number of runs of each method that are drawn from a space to see that they can be."""


def apply(changes: Changes, base: Run, space: Space, methods: Sequence[MethodName]) -> tuple[Run, Space]:
    """Return the published configuration and the space of a task with the user's changes.

    Raises:
        RequestError: a searched setting has no effect, or the space holds runs that cannot be.
    """
    if not changes.fixed and not changes.searched:
        return base, space
    base = _with_fixed(base, changes)
    dimensions = list(space.dimensions)
    if "curriculum.end" in {**changes.fixed, **changes.searched}:
        for name in DERIVED.keys() & changes.searched.keys():
            raise RequestError(f"--search {name}: curriculum.end is given too; give one of them")
        dimensions = [each for each in dimensions if each.name not in DERIVED]
    for name, value in changes.fixed.items():
        dimensions = _fix(dimensions, name, value)
    for name, domain in changes.searched.items():
        dimensions = _search(dimensions, name, domain, base, space)
    changed = Space(_with_start_above_end(dimensions, base, changes), dict(changes.fixed))
    known = {each.name: each.values for each in space.dimensions}
    for own in changed.dimensions:
        name = own.name
        useless = not any(own.belongs_to(method) for method in methods)
        if name in changes.searched and useless and known.get(name) != own.values:
            raise RequestError(f"--search {name}: none of {', '.join(methods)} has it; name a method that has")
    _require_possible(base, changed, methods)
    return base, changed


def shapes(base: Run, space: Space) -> list[Run]:
    """Return the published configuration, and one for each end or choice of what is searched and shapes a model."""
    values = {each.name: each.values for each in space.dimensions if each.name in _SHAPES}
    ends = {
        name: own.choices if isinstance(own, CategoricalDistribution) else (at(own, 0.0), at(own, 1.0))
        for name, own in values.items()
    }
    return [base, *(base.replace({name: value}) for name, own in ends.items() for value in own)]


def changes_of(space: Space) -> Changes:
    """Return the changes that make the space of any other one with the same conditions: all of it."""
    searched: dict[str, Interval | Choices] = {}
    for dimension in space.dimensions:
        values = dimension.values
        if isinstance(values, CategoricalDistribution):
            searched[dimension.name] = Choices(values.choices)
        else:
            assert isinstance(values, FloatDistribution | IntDistribution)  # noqa: S101 - there are no others
            searched[dimension.name] = Interval(values.low, values.high, "log" if values.log else "linear")
    return Changes(space.fixed, searched)


def _with_fixed(base: Run, changes: Changes) -> Run:
    """Return the configuration with what is fixed; its epochs are the longest trial's."""
    values = dict(changes.fixed)
    start, end = (values.get(f"curriculum.{name}") for name in ("start", "end"))
    if start is not None and end is None:
        values["curriculum.end"] = min(base.curriculum.end, start)
    if end is not None and start is None:
        values["curriculum.start"] = max(base.curriculum.start, end)
    epochs = changes.searched.get("epochs")
    if epochs is not None:
        values["epochs"] = max(epochs.values) if isinstance(epochs, Choices) else epochs.high
    return base.replace(values)


def _fix(dimensions: Sequence[Dimension], name: str, value: Any) -> list[Dimension]:
    """Leave out a setting, and those that have no effect beside its value."""
    own = next((each for each in dimensions if each.name == name), None)
    left: list[Dimension] = []
    lost = {name}
    for each in dimensions:
        if each.name in lost:
            continue
        if each.when is not None and each.when.name == name:
            if not each.when.holds({name: value}):
                lost.add(each.name)
                continue
            each = replace(each, when=own.when if own else None)
        elif each.when is not None and each.when.name in lost:
            lost.add(each.name)
            continue
        left.append(each)
    return left


def _search(
    dimensions: Sequence[Dimension], name: str, domain: Interval | Choices, base: Run, before: Space
) -> list[Dimension]:
    """Give a setting another domain, or add it to the space."""
    own = next((each for each in dimensions if each.name == name), None)
    if own is None:
        if any(each.name == name for each in before.dimensions):
            raise RequestError(f"--search {name}: it has no effect beside the settings that are fixed; leave it out")
        needs = next((needs for prefix, needs in _NEEDS.items() if name.startswith(prefix)), None)
        added = Dimension(name, _distribution(name, domain, None), needs)
        return [*dimensions, _conditional(added, _WHEN.get(name), dimensions, base)]
    values = _distribution(name, domain, own.values)
    changed = []
    for each in dimensions:
        if each.name == name:
            each = replace(each, values=values)
        elif each.when is not None and each.when.name == name and not isinstance(values, CategoricalDistribution):
            each = replace(each, when=own.when)
        changed.append(each)
    return changed


def _conditional(added: Dimension, when: Condition | None, dimensions: Sequence[Dimension], base: Run) -> Dimension:
    """Return the dimension with its condition, which is left out if what it depends on is not searched."""
    if when is None:
        return added
    if any(each.name == when.name for each in dimensions):
        return replace(added, when=when)
    if not when.holds(base.flat()):
        value = base.flat()[when.name]
        raise RequestError(f"--search {added.name}: it has no effect where {when.name} is {text(value)}; set that too")
    return added


def _distribution(name: str, domain: Interval | Choices, before: BaseDistribution | None) -> BaseDistribution:
    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.values)
    keeps = domain.scale is None and bool(getattr(before, "log", False)) and domain.low > 0
    log = domain.scale == "log" or keeps
    if {**settings(), **DERIVED}[name] is int:
        return IntDistribution(int(domain.low), int(domain.high), log=log)
    return FloatDistribution(domain.low, domain.high, log=log)


def _with_start_above_end(dimensions: list[Dimension], base: Run, changes: Changes) -> list[Dimension]:
    """Raise the lower end of the curriculum's start to its end, where the user fixes or searches that."""
    end = next((each.values for each in dimensions if each.name == "curriculum.end"), None)
    if end is None and "curriculum.end" not in changes.fixed:
        return dimensions
    if isinstance(end, CategoricalDistribution):
        least = max(end.choices)  # type: ignore[type-var]
    else:
        least = end.high if isinstance(end, FloatDistribution) else base.curriculum.end
    raised = []
    for each in dimensions:
        if each.name == "curriculum.start" and isinstance(each.values, FloatDistribution):
            low = max(each.values.low, float(least))  # type: ignore[arg-type]
            if low > each.values.high:
                raise RequestError(
                    f"curriculum.end is up to {low:g}, above curriculum.start, which is searched in "
                    f"{describe(each.values)}: --search curriculum.start in a range above it"
                )
            each = replace(each, values=FloatDistribution(low, each.values.high, log=each.values.log))
        raised.append(each)
    return raised


def _require_possible(base: Run, space: Space, methods: Sequence[MethodName]) -> None:
    """Draw runs from the space, its corners included.

    Raises:
        RequestError: one of them cannot be.
    """
    random = np.random.default_rng(0)
    for method in methods:
        places: list[Callable[[], float]] = [lambda: 0.0, lambda: 1.0, *[random.random] * _DRAWN]
        for place in places:
            try:
                base.replace(space.draw(method, place))
            except RequestError as error:
                raise RequestError(f"the space has runs that cannot be: {error}; narrow it by --search") from None
