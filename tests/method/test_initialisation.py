"""Initial values of new parameters, each tested by its effect on the first step."""

import math
from types import SimpleNamespace

import pytest
import torch

from pare.config import Gate, Initialisation, Optimizer
from pare.method import body as bodies
from pare.method.model import CrossModalModel
from pare.training import optim

GREY = SimpleNamespace(shape=(1, 64, 64), output_shape=(3,), kind="classification")


def test_one_channel_answers_as_a_grey_image_does():
    body = bodies.load("swin-mini")
    grey = torch.randn(2, 1, 64, 64)
    as_source = body.source_embedder(grey.expand(-1, 3, -1, -1))
    summed = CrossModalModel(GREY, body, 1, init=Initialisation(stem="sum"))
    torch.testing.assert_close(summed.embed(grey), as_source, rtol=1e-4, atol=1e-5)
    cycled = CrossModalModel(GREY, body, 1)
    assert not torch.allclose(cycled.embed(grey), as_source, atol=0.1)


def test_more_channels_keep_the_cycle():
    three = SimpleNamespace(shape=(3, 64, 64), output_shape=(3,), kind="classification")
    body = bodies.load("swin-mini")
    summed = CrossModalModel(three, body, 1, init=Initialisation(stem="sum"))
    assert torch.equal(summed.embedder.projection.weight, body.source_embedder.projection.weight)


def test_heads_at_zero_start_from_uniform_predictions(case):
    objective = case.objective(init=Initialisation(heads=0.0))
    x, y = case.batch()
    losses = objective(x, y, case.mixing(objective, 4))
    assert torch.allclose(losses.watched["loss_source"], torch.tensor(math.log(6)))
    assert torch.equal(objective.model(x), torch.zeros_like(objective.model(x)))
    losses.total.mean().backward()
    assert (objective.model.head.last.weight.grad != 0).any()


def test_heads_scale_from_xavier(case):
    whole, half = case.objective(), case.objective(init=Initialisation(heads=0.5))
    for of in (lambda o: o.model.head.last.weight, lambda o: o.source_head.last.weight):
        assert torch.equal(of(half), 0.5 * of(whole))


def test_a_gate_at_zero_scores_all_alike_and_moves_by_noise(case):
    objective = case.objective(init=Initialisation(gate=0.0))
    mixing = case.mixing(objective, 5, noisy=True)
    losses = objective(*case.batch(), mixing)
    assert losses.watched["gate_mean"].tolist() == [0.5] * 4
    assert torch.equal(losses.watched["gate_spread"], torch.zeros(4))
    losses.total.mean().backward()
    assert (objective.gate.score.weight.grad != 0).any()


def test_positions_come_before_the_norm_or_after_it():
    target = SimpleNamespace(shape=(1, 100), output_shape=(3,), kind="classification")
    body = bodies.load("roberta-mini")
    before, after = (
        CrossModalModel(target, body, 20, init=Initialisation(positions=order)).embedder
        for order in ("before_norm", "after_norm")
    )
    x = torch.randn(2, 1, 100)
    patches = before.projection(x).transpose(1, 2)
    torch.testing.assert_close(before(x), before.norm(patches + before.positions))
    torch.testing.assert_close(after(x), after.norm(patches) + after.positions)


def test_positions_decay_only_where_asked():
    from tests.method.conftest import Case

    objective = Case("1d").objective("nft")
    positions = objective.model.embedder.positions
    for decays in (True, False):
        groups = optim.build(objective, Optimizer(decay_positions=decays, weight_decay=0.1)).param_groups
        (own,) = [group for group in groups if any(p is positions for p in group["params"])]
        assert own["weight_decay"] == (0.1 if decays else 0.0)
        assert {group["weight_decay"] for group in groups} == {0.0, 0.1}


def test_a_random_embedder_shares_nothing_with_the_body(case):
    plain, random = case.objective("nft"), case.objective("nft-random-embedder")
    own = plain.model.body.source_embedder
    weight = random.model.embedder.projection.weight
    assert not torch.equal(weight, plain.model.embedder.projection.weight)
    fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(weight)
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (fan_in + fan_out)), rel=0.1)
    assert torch.equal(random.model.embedder.norm.weight, torch.ones_like(own.norm.weight))
    for a, b in zip(plain.model.body.parameters(), random.model.body.parameters(), strict=True):
        assert torch.equal(a, b), "the body itself is the pretrained one"
    assert random.model.embedder.norm.weight.requires_grad


def test_defaults_change_nothing(case):
    plain, named = case.objective(), case.objective(init=Initialisation(), gate=Gate(hidden=0))
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), named.parameters(), strict=True))
