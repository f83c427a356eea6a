"""Domains of settings, as Optuna's distributions: their values, by a sampler, by place, and as text."""

from __future__ import annotations

import math
from typing import Any

from optuna import Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from pare.reporting.records import Domain


def suggest(trial: Trial, name: str, values: BaseDistribution) -> Any:
    """Return the sampler's value for a trial."""
    if isinstance(values, CategoricalDistribution):
        return trial.suggest_categorical(name, values.choices)
    if isinstance(values, IntDistribution):
        return trial.suggest_int(name, values.low, values.high, log=values.log)
    assert isinstance(values, FloatDistribution)  # noqa: S101 - for the type checker: there are no others
    return trial.suggest_float(name, values.low, values.high, log=values.log)


def nearest(values: BaseDistribution, value: Any) -> Any:
    """Return the value of a domain that is nearest to `value`."""
    if isinstance(values, CategoricalDistribution):
        if isinstance(value, int | float):
            return min(values.choices, key=lambda choice: abs(choice - value))  # type: ignore[operator]
        return value if value in values.choices else values.choices[0]
    assert isinstance(values, FloatDistribution | IntDistribution)  # noqa: S101
    return min(max(value, values.low), values.high)


def place(values: BaseDistribution, value: float) -> float:
    """Return the place of a number in its interval, 0 to 1, in the interval's own scale."""
    assert isinstance(values, FloatDistribution | IntDistribution)  # noqa: S101
    low, high, value = (math.log(x) if values.log else x for x in (values.low, values.high, value))
    return (value - low) / (high - low)


def at(values: BaseDistribution, place: float) -> Any:
    """Return the value at a place of a domain; of an interval it is the inverse of `place`."""
    if isinstance(values, CategoricalDistribution):
        return values.choices[min(int(place * len(values.choices)), len(values.choices) - 1)]
    assert isinstance(values, FloatDistribution | IntDistribution)  # noqa: S101
    low, high = (math.log(x) if values.log else x for x in (values.low, values.high))
    value = low + place * (high - low)
    value = math.exp(value) if values.log else value
    # Rounding must not leave the interval.
    return min(max(round(value) if isinstance(values, IntDistribution) else value, values.low), values.high)


def domain(values: BaseDistribution) -> Domain:
    """Return a domain as reports know it."""
    if isinstance(values, CategoricalDistribution):
        return Domain(choices=tuple(choice for choice in values.choices if choice is not None))
    assert isinstance(values, FloatDistribution | IntDistribution)  # noqa: S101
    return Domain(low=values.low, high=values.high)


def describe(values: BaseDistribution) -> str:
    """Return a domain in the form of `--search`: `1e-05:0.001:log`, or `linear,cosine`."""
    if isinstance(values, CategoricalDistribution):
        return ",".join(map(text, values.choices))
    assert isinstance(values, FloatDistribution | IntDistribution)  # noqa: S101
    return f"{text(values.low)}:{text(values.high)}" + (":log" if values.log else "")


def text(value: Any) -> str:
    """Return a value in the form of `--set`."""
    return str(value).lower() if isinstance(value, bool) else f"{value}"
