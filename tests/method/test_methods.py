from typing import get_args

import pytest
from torch import nn

from pare.config import MethodName
from pare.method.methods import METHODS
from pare.method.objective import FineTuning, PatchReplacement


def test_every_method_name_is_registered():
    assert set(METHODS) == set(get_args(MethodName))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_builds_and_learns(case, method):
    objective = case.objective(method)
    assert isinstance(objective, PatchReplacement if METHODS[method].mixes else FineTuning)
    mixing = case.mixing(objective, 3) if METHODS[method].mixes else None
    objective(*case.batch(), mixing).total.mean().backward()
    assert all(p.grad is not None for p in objective.parameters() if p.requires_grad)


def test_frozen_body_trains_its_norms_only(case):
    body = case.objective("fpt").model.body
    norms = {id(p) for part in body.modules() if isinstance(part, nn.LayerNorm) for p in part.parameters()}
    own = {id(p) for p in body.own.parameters()}
    for parameter in body.parameters():
        assert parameter.requires_grad == (id(parameter) in norms - own)


def test_same_seed_same_weights(case):
    first, second, other = case.objective(seed=3), case.objective(seed=3), case.objective(seed=4)
    assert all((a == b).all() for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert any((a != b).any() for a, b in zip(first.parameters(), other.parameters(), strict=True))
