"""The search space of a sweep, by modality.

A space is a list of dimensions around a task's published configuration. A dimension may depend on the method, and on
the value of an earlier dimension (`when`), so that a setting without effect is not searched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from optuna import Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from pare.config import Family, MethodName, Run
from pare.method.catalogue import METHODS
from pare.reporting.records import Domain

Values = dict[str, Any]

PRIORS: Sequence[Values] = (
    {},
    {
        "curriculum.family": "constant",
        "curriculum.start": 0.5,
        "curriculum.end": 0.5,
        "mix_weight": 1.0,
        "gate.select": "random",
    },
)
"""Changes of the first trials to the published configuration: none; and half of the patches to the end, at random, with
w = 1, which gives the source term time and weight to learn (docs/method-study.md describes the test of that).
"""


@dataclass(frozen=True)
class Dimension:
    """One searched setting of a run, by its dotted name. `when`: only if an earlier one has one of these values."""

    name: str
    values: BaseDistribution
    needs: Literal["mixes", "gates", "aligns", "adapts"] | None = None
    """Property that the method needs: it mixes patches, learns a gate, aligns features, or adapts a pretrained body."""
    when: tuple[str, tuple[Any, ...]] | None = None

    def applies(self, method: MethodName, chosen: Mapping[str, Any]) -> bool:
        if self.needs is not None and not getattr(METHODS[method], self.needs):
            return False
        return self.when is None or chosen.get(self.when[0]) in self.when[1]


@dataclass(frozen=True)
class Space:
    """The search space of one task."""

    dimensions: Sequence[Dimension]

    def suggest(self, trial: Trial, method: MethodName) -> Values:
        """Return the sampler's values for a trial of this method."""
        chosen: Values = {}
        for dimension in self.dimensions:
            if dimension.applies(method, chosen):
                chosen[dimension.name] = _suggest(trial, dimension)
        return to_run(chosen)

    def published(self, run: Run, method: MethodName) -> Values:
        """Return the values of `run` itself, for a first trial; values outside the space move to its edge."""
        flat = from_run(run)
        chosen: Values = {}
        for dimension in self.dimensions:
            if dimension.applies(method, chosen):
                chosen[dimension.name] = _nearest(dimension.values, flat[dimension.name])
        return chosen

    def priors(self, run: Run, method: MethodName) -> list[Values]:
        """Return the values of a method's first trials, the published configuration first, without duplicates."""
        starts = [self.published(run.replace(changes), method) for changes in PRIORS]
        return [values for index, values in enumerate(starts) if values not in starts[:index]]

    def near(self, centre: Values, method: MethodName, random: np.random.Generator) -> Values:
        """Return values around `centre`: numbers move by about 1/7 of their interval, one choice in five is redrawn."""
        chosen: Values = {}
        for dimension in self.dimensions:
            if dimension.applies(method, chosen):
                chosen[dimension.name] = _near(dimension.values, centre.get(dimension.name), random)
        return chosen

    def transferred(self, values: Values, method: MethodName, of: Space) -> Values:
        """Map values of another task's space to this one: a number keeps its place in its interval, a choice its name.

        Learning rates are searched around each task's published one, so it is the ratio to it that transfers.
        """
        theirs = {dimension.name: dimension.values for dimension in of.dimensions}
        chosen: Values = {}
        for dimension in self.dimensions:
            if dimension.applies(method, chosen):
                name, own = dimension.name, dimension.values
                if name in values and isinstance(own, FloatDistribution | IntDistribution):
                    chosen[name] = _at(own, _place(theirs[name], values[name]))
                elif name in values and isinstance(own, CategoricalDistribution) and values[name] in own.choices:
                    chosen[name] = values[name]
        return chosen

    def domains(self) -> dict[str, Domain]:
        """Return the domain of each searched setting, by its name in the study; for TensorBoard."""
        return {dimension.name: _domain(dimension.values) for dimension in self.dimensions}


_FALLS = ("curriculum.family", tuple(family for family in get_args(Family) if family != "constant"))
_GATED = ("gate.select", ("gate",))


def for_run(base: Run, modality: str) -> Space:
    """Return the space around a task's published configuration `base`, for `1d` or `2d` inputs."""
    rate = base.optimizer.lr
    dimensions = [
        # A learned gate or chance selects the patches; with chance no setting of the gate matters.
        Dimension("gate.select", CategoricalDistribution(("gate", "random")), needs="gates"),
        # Learning rates by group: a decade around the published one.
        *(
            Dimension(f"optimizer.lr.{group}", _around(getattr(rate, group), 10))
            for group in ("embedder", "body", "heads")
        ),
        Dimension("optimizer.lr.gate", _around(rate.gate, 10), needs="gates", when=_GATED),
        Dimension("optimizer.weight_decay", FloatDistribution(1e-5, 0.3, log=True)),
        Dimension("optimizer.warmup", FloatDistribution(0.0, 0.3)),
        # The trained part of a pretrained body: as published, all of it, or low-rank adapters.
        Dimension(
            "tuning.body",
            CategoricalDistribution(tuple(dict.fromkeys((base.tuning.body, "all", "lora")))),
            needs="adapts",
        ),
        Dimension(
            "tuning.lora_rank", CategoricalDistribution((4, 8, 16)), needs="adapts", when=("tuning.body", ("lora",))
        ),
        Dimension(
            "tuning.layer_decay",
            FloatDistribution(0.5, 1.0),
            needs="adapts",
            when=("tuning.body", ("all", "no_query_key")),
        ),
        # The curriculum. The end is searched as a share of the start, so that it never lies above it, or is 0: then the
        # mixed pass, and its cost, end at `until`.
        Dimension("curriculum.family", CategoricalDistribution(get_args(Family)), needs="mixes"),
        Dimension("curriculum.start", FloatDistribution(0.02, max(0.9, base.curriculum.start)), needs="mixes"),
        Dimension("curriculum.ends", CategoricalDistribution(("share", "zero")), needs="mixes", when=_FALLS),
        Dimension(
            "curriculum.end_share", FloatDistribution(0.0, 0.6), needs="mixes", when=("curriculum.ends", ("share",))
        ),
        Dimension("curriculum.until", FloatDistribution(0.2, 1.0), needs="mixes", when=_FALLS),
        Dimension(
            "curriculum.plateaus",
            IntDistribution(2, 6),
            needs="mixes",
            when=("curriculum.family", ("step",)),
        ),
        # The gate. The noisy phase may be absent; its scale matters only where it is not.
        Dimension("gate.threshold", FloatDistribution(0.0, 0.6), needs="gates", when=_GATED),
        Dimension("gate.temperature", FloatDistribution(0.02, 1.0, log=True), needs="gates", when=_GATED),
        Dimension("gate.noise_until", CategoricalDistribution((0.0, 1 / 6, 1 / 3)), needs="gates", when=_GATED),
        Dimension(
            "gate.noise",
            FloatDistribution(0.01, 1.0, log=True),
            needs="gates",
            when=("gate.noise_until", (1 / 6, 1 / 3)),
        ),
        # For sequences the published weight of the mixed pass is ten times smaller than for images; 3 is the most for
        # both. Mixing half of the batch costs half of a mixed pass.
        Dimension("mix_weight", FloatDistribution(0.01 if modality == "1d" else 0.03, 3.0, log=True), needs="mixes"),
        Dimension("mix_share", CategoricalDistribution((0.5, 1.0)), needs="mixes"),
        # The alignment stage.
        Dimension("alignment.steps", CategoricalDistribution((50, 100, 200)), needs="aligns"),
        Dimension("alignment.lr", _around(base.alignment.lr, 10), needs="aligns"),
    ]
    return Space(dimensions)


def to_run(chosen: Values) -> Values:
    """Searched values → settings of a run."""
    values = dict(chosen)
    if "curriculum.start" in values:
        share = values.pop("curriculum.end_share", 1.0)
        ends_at_zero = values.pop("curriculum.ends", "share") == "zero"
        values["curriculum.end"] = 0.0 if ends_at_zero else values["curriculum.start"] * share
    return values


def from_run(run: Run) -> Values:
    """A run's settings → values of the search, the inverse of `to_run`."""
    flat = run.flat()
    start, end = flat["curriculum.start"], flat["curriculum.end"]
    ends = "share" if end else "zero"
    return {**flat, "curriculum.end_share": end / start if start else 0.0, "curriculum.ends": ends}


def _around(centre: float, factor: float) -> FloatDistribution:
    return FloatDistribution(centre / factor, centre * factor, log=True)


def _suggest(trial: Trial, dimension: Dimension) -> Any:
    values = dimension.values
    if isinstance(values, CategoricalDistribution):
        return trial.suggest_categorical(dimension.name, values.choices)
    if isinstance(values, IntDistribution):
        return trial.suggest_int(dimension.name, values.low, values.high)
    assert isinstance(values, FloatDistribution)  # noqa: S101 - for the type checker: there are no others
    return trial.suggest_float(dimension.name, values.low, values.high, log=values.log)


def _nearest(values: BaseDistribution, value: Any) -> Any:
    if isinstance(values, CategoricalDistribution):
        if isinstance(value, int | float):
            return min(values.choices, key=lambda choice: abs(choice - value))  # type: ignore[operator]
        return value
    assert isinstance(values, FloatDistribution | IntDistribution)  # noqa: S101
    return min(max(value, values.low), values.high)


def _near(values: BaseDistribution, centre: Any, random: np.random.Generator) -> Any:
    if isinstance(values, CategoricalDistribution):
        keeps = centre in values.choices and random.random() > 0.2
        return centre if keeps else values.choices[random.integers(len(values.choices))]
    place = 0.5 if centre is None else _place(values, centre)
    return _at(values, float(np.clip(random.normal(place, 0.15), 0, 1)))


def _place(values: BaseDistribution, value: float) -> float:
    """Return the place of a number in its interval, 0 to 1, in the interval's own scale."""
    assert isinstance(values, FloatDistribution | IntDistribution)  # noqa: S101
    low, high, value = (math.log(x) if values.log else x for x in (values.low, values.high, value))
    return (value - low) / (high - low)


def _at(values: BaseDistribution, place: float) -> float:
    """Return the number at a place of an interval, the inverse of `_place`."""
    assert isinstance(values, FloatDistribution | IntDistribution)  # noqa: S101
    low, high = (math.log(x) if values.log else x for x in (values.low, values.high))
    value = low + place * (high - low)
    if isinstance(values, IntDistribution):
        return round(value)
    # Rounding must not leave the interval.
    return min(max(math.exp(value) if values.log else value, values.low), values.high)


def _domain(values: BaseDistribution) -> Domain:
    if isinstance(values, CategoricalDistribution):
        return Domain(choices=tuple(choice for choice in values.choices if choice is not None))
    assert isinstance(values, FloatDistribution | IntDistribution)  # noqa: S101
    return Domain(low=values.low, high=values.high)
