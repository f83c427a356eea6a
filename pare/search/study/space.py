"""The search space of a sweep, by modality.

A space is a list of dimensions around a task's published configuration. A dimension may depend on the method, and on
the value of an earlier dimension (`when`), so that a setting without effect is not searched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
from optuna import Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from pare.config import Family, MethodName, Run
from pare.method.catalogue import METHODS
from pare.reporting.records import Domain
from pare.search.study import domains, experience
from pare.search.study.experience import Experience

Values = dict[str, Any]

DRAWN = 100
"""Number of random configurations from which experience chooses one."""

_INTERVALS = (FloatDistribution, IntDistribution)

Needs = Literal["mixes", "borrows", "gates", "aligns", "adapts"]
"""Property of a method: it mixes patches, borrows them from a source, learns a gate, aligns, or adapts a body."""


@dataclass(frozen=True)
class Condition:
    """A setting has one of these values or, `negated`, another."""

    name: str
    values: tuple[Any, ...]
    negated: bool = False

    def holds(self, chosen: Mapping[str, Any]) -> bool:
        return self.name in chosen and (chosen[self.name] in self.values) != self.negated


@dataclass(frozen=True)
class Dimension:
    """One searched setting of a run, by its dotted name; only for methods with `needs`, and only if `when` holds."""

    name: str
    values: BaseDistribution
    needs: Needs | None = None
    when: Condition | None = None
    """Condition on an earlier dimension."""
    experience: Experience | None = None
    """What recorded runs have taught about its values."""

    def belongs_to(self, method: MethodName) -> bool:
        """Whether the method has the setting."""
        return self.needs is None or bool(getattr(METHODS[method], self.needs))

    def applies(self, method: MethodName, chosen: Mapping[str, Any]) -> bool:
        return self.belongs_to(method) and (self.when is None or self.when.holds(chosen))


@dataclass(frozen=True)
class Space:
    """The search space of one task."""

    dimensions: Sequence[Dimension]
    fixed: Values = field(default_factory=dict)
    """Settings that the user has fixed, which a run has already."""

    def suggest(self, trial: Trial, method: MethodName) -> Values:
        """Return the sampler's values for a trial of this method."""
        chosen: Values = {}
        for dimension in self.dimensions:
            if dimension.applies(method, chosen):
                chosen[dimension.name] = domains.suggest(trial, dimension.name, dimension.values)
        return to_run(chosen, self.fixed)

    def draw(self, method: MethodName, place: Callable[[], float]) -> Values:
        """Return values of a run, each at a `place` of its domain, 0 to 1."""
        return to_run(self._draw(method, place), self.fixed)

    def _draw(self, method: MethodName, place: Callable[[], float]) -> Values:
        chosen: Values = {}
        for dimension in self.dimensions:
            if dimension.applies(method, chosen):
                chosen[dimension.name] = domains.at(dimension.values, place())
        return chosen

    def published(self, run: Run, method: MethodName) -> Values:
        """Return the values of `run` itself, for a first trial; values outside the space move to its edge."""
        flat = from_run(run)
        chosen: Values = {}
        for dimension in self.dimensions:
            if dimension.applies(method, chosen):
                chosen[dimension.name] = domains.nearest(dimension.values, flat[dimension.name])
        return chosen

    def taught(self, experience: Callable[[str, BaseDistribution], Experience | None]) -> Space:
        """Return the same space with this experience of each setting and domain."""
        dimensions = [replace(each, experience=experience(each.name, each.values)) for each in self.dimensions]
        return replace(self, dimensions=dimensions)

    def promising(self, method: MethodName, random: np.random.Generator) -> Values | None:
        """Return the values, of some random ones, from which experience expects most; None if it knows no setting."""
        if not any(each.experience for each in self.dimensions if each.belongs_to(method)):
            return None
        drawn = [self._draw(method, random.random) for _ in range(DRAWN)]
        return min(drawn, key=self.expected_rank)

    def expected_rank(self, chosen: Mapping[str, Any]) -> float:
        """Return the rank that experience expects of values, 0 the best, up to a constant."""
        return sum(known.rank(chosen.get(each.name)) for each in self.dimensions if (known := each.experience))

    def transferred(self, values: Values, method: MethodName, of: Space) -> Values:
        """Map values of another task's space to this one: a number keeps its place in its interval, a choice its name.

        Learning rates are searched around each task's published one, so it is the ratio to it that transfers.
        """
        theirs = {dimension.name: dimension.values for dimension in of.dimensions}
        chosen: Values = {}
        for dimension in self.dimensions:
            if dimension.applies(method, chosen):
                name, own = dimension.name, dimension.values
                if name in values and isinstance(own, _INTERVALS) and isinstance(theirs.get(name), _INTERVALS):
                    chosen[name] = domains.at(own, domains.place(theirs[name], values[name]))
                elif name in values and isinstance(own, CategoricalDistribution) and values[name] in own.choices:
                    chosen[name] = values[name]
        return chosen

    def domains(self) -> dict[str, Domain]:
        """Return the domain of each searched setting, by its name in the study; for TensorBoard."""
        return {dimension.name: domains.domain(dimension.values) for dimension in self.dimensions}


FALLS = Condition("curriculum.family", ("constant",), negated=True)
GATED = Condition("gate.select", ("gate",))


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
        Dimension("optimizer.lr.gate", _around(rate.gate, 10), needs="gates", when=GATED),
        Dimension("optimizer.weight_decay", FloatDistribution(1e-5, 0.3, log=True)),
        Dimension("optimizer.warmup", FloatDistribution(0.0, 0.3)),
        # The trained part of a pretrained body: as published, all of it, or low-rank adapters.
        Dimension(
            "tuning.body",
            CategoricalDistribution(tuple(dict.fromkeys((base.tuning.body, "all", "lora")))),
            needs="adapts",
        ),
        Dimension(
            "tuning.lora_rank",
            CategoricalDistribution((4, 8, 16)),
            needs="adapts",
            when=Condition("tuning.body", ("lora",)),
        ),
        Dimension(
            "tuning.layer_decay",
            FloatDistribution(0.5, 1.0),
            needs="adapts",
            when=Condition("tuning.body", ("all", "no_query_key")),
        ),
        # The curriculum. The end is searched as a share of the start, so that it never lies above it, or is 0: then the
        # mixed pass, and its cost, end at `until`.
        Dimension("curriculum.family", CategoricalDistribution(get_args(Family)), needs="mixes"),
        Dimension("curriculum.start", FloatDistribution(0.02, max(0.9, base.curriculum.start)), needs="mixes"),
        Dimension("curriculum.ends", CategoricalDistribution(("share", "zero")), needs="mixes", when=FALLS),
        Dimension(
            "curriculum.end_share",
            FloatDistribution(0.0, 0.6),
            needs="mixes",
            when=Condition("curriculum.ends", ("share",)),
        ),
        Dimension("curriculum.until", FloatDistribution(0.2, 1.0), needs="mixes", when=FALLS),
        Dimension(
            "curriculum.plateaus",
            IntDistribution(2, 6),
            needs="mixes",
            when=Condition("curriculum.family", ("step",)),
        ),
        # The gate. The noisy phase may be absent; its scale matters only where it is not.
        Dimension("gate.threshold", FloatDistribution(0.0, 0.6), needs="gates", when=GATED),
        Dimension("gate.temperature", FloatDistribution(0.02, 1.0, log=True), needs="gates", when=GATED),
        Dimension("gate.noise_until", CategoricalDistribution((0.0, 1 / 6, 1 / 3)), needs="gates", when=GATED),
        Dimension(
            "gate.noise",
            FloatDistribution(0.01, 1.0, log=True),
            needs="gates",
            when=Condition("gate.noise_until", (0.0,), negated=True),
        ),
        # For sequences the published weight of the mixed pass is ten times smaller than for images; 3 is the most for
        # both. Mixing half of the batch costs half of a mixed pass.
        Dimension("mix_weight", FloatDistribution(0.01 if modality == "1d" else 0.03, 3.0, log=True), needs="mixes"),
        Dimension("mix_share", CategoricalDistribution((0.5, 1.0)), needs="mixes"),
        # The alignment stage.
        Dimension("alignment.steps", CategoricalDistribution((50, 100, 200)), needs="aligns"),
        Dimension("alignment.lr", _around(base.alignment.lr, 10), needs="aligns"),
    ]
    return Space(dimensions).taught(experience.recorded)


def to_run(chosen: Values, fixed: Mapping[str, Any] = MappingProxyType({})) -> Values:
    """Searched values → settings of a run whose settings `fixed` are not searched."""
    values = dict(chosen)
    ends, share = values.pop("curriculum.ends", None), values.pop("curriculum.end_share", None)
    known = {**fixed, **chosen}
    if "curriculum.end" in known or "curriculum.start" not in known:
        return values
    if ends == "zero":
        values["curriculum.end"] = 0.0
    elif share is not None or known.get("curriculum.family") == "constant":
        values["curriculum.end"] = known["curriculum.start"] * (1.0 if share is None else share)
    return values


def from_run(run: Run) -> Values:
    """A run's settings → values of the search, the inverse of `to_run`."""
    flat = run.flat()
    start, end = flat["curriculum.start"], flat["curriculum.end"]
    ends = "share" if end else "zero"
    return {**flat, "curriculum.end_share": end / start if start else 0.0, "curriculum.ends": ends}


def _around(centre: float, factor: float) -> FloatDistribution:
    return FloatDistribution(centre / factor, centre * factor, log=True)
