"""What recorded runs of small problems have taught: which values of a setting tend to end well.

The model is linear and additive: each setting shifts the rank of a configuration among others of its task (0 the best,
1 the worst) by a term of its own. `python -m tests.bench.experience --write` fits it to the recorded curves of
`tests/bench/curves`, writes `experience.json` beside this file, and measures how well it ranks the configurations of a
task that it was not fitted to. Learning rates are relative to the task's published ones, which is why it carries over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from pare.search.study import domains

Weights = Mapping[str, float]
"""Weights of a setting's features, by the features' names."""


@dataclass(frozen=True)
class Experience:
    """One setting's term of the model, over the domain that it was fitted on."""

    domain: BaseDistribution
    weights: Weights

    def rank(self, value: Any) -> float:
        """Return how far a value shifts the expected rank; negative is better, None is a setting that is absent."""
        return sum(self.weights.get(name, 0.0) * number for name, number in features(self.domain, value).items())


def features(domain: BaseDistribution, value: Any) -> dict[str, float]:
    """Return what the model sees of a value: which choice it is, or its place from the middle of its interval.

    A number outside the interval, of a wider one of the user's, counts as its end. An absent setting has no features.
    """
    if value is None:
        return {}
    if isinstance(domain, CategoricalDistribution):
        return {domains.text(value): 1.0}
    place = domains.place(domain, domains.nearest(domain, value)) - 0.5
    return {"place": place, "square": place**2}


def recorded(name: str, domain: BaseDistribution) -> Experience | None:
    """Return what recorded runs have taught of a setting with the default space's domain; None if nothing."""
    weights = _weights().get(name)
    return None if weights is None else Experience(domain, weights)


def nothing(_name: str, _domain: BaseDistribution) -> Experience | None:
    """Return None, for a search that is to learn from its own trials alone."""
    return None


@cache
def _weights() -> Mapping[str, Weights]:
    file = resources.files(__package__) / "experience.json"
    found: Mapping[str, Weights] = json.loads(file.read_text(encoding="utf-8"))["weights"]
    return found
