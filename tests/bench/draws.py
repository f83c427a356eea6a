"""How configurations are drawn to be recorded or tried: uniformly, and near some that are known to be good."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution

from pare.config import Run
from pare.search.study import domains
from pare.search.study.space import Space, Values

STARTS: tuple[Mapping[str, Any], ...] = (
    {},
    {
        "curriculum.family": "constant",
        "curriculum.start": 0.5,
        "curriculum.end": 0.5,
        "mix_weight": 1.0,
        "gate.select": "random",
    },
)
"""Changes of known configurations to the published one: none; half of the patches to the end, at random, w = 1."""


def starts(space: Space, base: Run, method: Any) -> list[Values]:
    """The known configurations of a method, without duplicates."""
    found = [space.published(base.replace(dict(changes)), method) for changes in STARTS]
    return [values for index, values in enumerate(found) if values not in found[:index]]


def near(space: Space, centre: Values, method: Any, random: np.random.Generator) -> Values:
    """Values around `centre`: numbers move by about 1/7 of their interval, one choice in five is redrawn."""
    chosen: Values = {}
    for dimension in space.dimensions:
        if dimension.applies(method, chosen):
            chosen[dimension.name] = _near(dimension.values, centre.get(dimension.name), random)
    return chosen


def draw(space: Space, base: Run, number: int, method: Any) -> tuple[str, Values]:
    """How configuration `number` is drawn from a space around `base`, and its searched values."""
    known = starts(space, base, method)
    if number < len(known):
        return "prior", known[number]
    if number % 2:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=number))
        trial = study.ask()
        space.suggest(trial, method)
        return "uniform", dict(trial.params)
    return "near", near(space, known[number // 2 % len(known)], method, np.random.default_rng(number))


def _near(values: BaseDistribution, centre: Any, random: np.random.Generator) -> Any:
    if isinstance(values, CategoricalDistribution):
        keeps = centre in values.choices and random.random() > 0.2
        return centre if keeps else values.choices[random.integers(len(values.choices))]
    middle = 0.5 if centre is None else domains.place(values, centre)
    return domains.at(values, float(np.clip(random.normal(middle, 0.15), 0, 1)))
