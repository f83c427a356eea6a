from types import SimpleNamespace

import pytest
import torch

from pare import losses
from pare.config import LearningRates, Optimizer, Run
from pare.method import catalogue, methods
from pare.training import optim

CLASSES = SimpleNamespace(kind="classification", shape=(1, 100), output_shape=(3,))


def objective(method="pare"):
    run = Run(task="t", data="", body="roberta-mini", source="s", source_data="", patch=10, method=method)
    return methods.build(run, CLASSES, losses.cross_entropy, {}, CLASSES, {})


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.35])
@pytest.mark.parametrize("decay_until", [0.5, 1.0, 3.0])
def test_rate_rises_then_falls_and_is_never_negative(warmup, decay_until):
    config, steps = Optimizer(warmup=warmup, decay_until=decay_until), 40
    rates = [optim.multiplier(config, step, steps) for step in range(steps)]
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert min(rates) >= 0
    assert rates[0] > 0, "the first update moves"
    assert max(rates) == pytest.approx(1, abs=0.1)
    assert (rates[-1] == pytest.approx(0, abs=0.05)) == (decay_until <= 1)


def test_a_decay_beyond_the_end_leaves_the_released_share():
    # CIFAR-100: 60 epochs, warm-up 5, decay to epoch 200 → .718 at the end.
    config = Optimizer(warmup=5 / 60, decay_until=200 / 60)
    assert optim.multiplier(config, 60_000, 60_000) == pytest.approx(0.718, abs=0.001)


@pytest.mark.parametrize("method", catalogue.METHODS)
def test_every_trainable_parameter_is_in_one_group(method):
    built = objective(method)
    optimizer = optim.build(built, Optimizer())
    grouped = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in built.parameters() if p.requires_grad)


def test_groups_follow_their_own_rates():
    rates = LearningRates(embedder=1e-3, body=2e-3, gate=3e-3, heads=4e-3)
    optimizer = optim.build(objective(), Optimizer(lr=rates, warmup=0.0))
    optim.schedule(optimizer, Optimizer(lr=rates, warmup=0.0), 5, 10)
    assert {g["name"]: g["lr"] for g in optimizer.param_groups} == {
        name: pytest.approx(rate / 2) for name, rate in vars(rates).items()
    }


def test_lower_blocks_learn_more_slowly():
    built = objective()
    optimizer = optim.build(built, Optimizer(lr=LearningRates(body=1e-3), warmup=0.0), layer_decay=0.5)
    peaks = {id(p): g["peak"] for g in optimizer.param_groups for p in g["params"]}
    lower, upper = built.model.body.blocks()
    assert {peaks[id(p)] for p in upper.parameters()} == {1e-3}
    assert {peaks[id(p)] for p in lower.parameters()} == {5e-4}
    optim.schedule(optimizer, Optimizer(warmup=0.0), 0, 10)
    assert optim.rates(optimizer)["body"] == pytest.approx(1e-3)


def test_norms_and_biases_do_not_decay():
    optimizer = optim.build(objective(), Optimizer(weight_decay=0.3))
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.3 if parameter.ndim > 1 else 0)


@pytest.mark.parametrize(
    ("name", "kind"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)]
)
def test_optimizers_by_name(name, kind):
    assert type(optim.build(objective(), Optimizer(name=name))) is kind
