"""The stages before the first step: MoNA's, the fit of the source predictor, and the loss of chance."""

import math

import numpy as np
import pytest
import torch

from pare import tasks
from pare.data import store
from pare.data.task import Split
from pare.method import methods
from pare.training import mona, source_head, stages
from pare.training.loop import train
from pare.training.prefetch import TrainSet


@pytest.fixture
def built(make_run, root):
    def build(task, **changes):
        run = make_run(task, **changes)
        target, source = tasks.get(run.task), tasks.get(run.source)
        data, source_data = store.load(root, run.data), store.load(root, run.source_data)
        torch.manual_seed(0)
        interfaces = (target, target.criterion, data.statistics, source, source_data.statistics, source.criterion)
        objective = methods.build(run, *interfaces)
        sides = TrainSet(target, data.split("train")), TrainSet(source, source_data.split("train"))
        return run, objective, (*sides, source_data.statistics, torch.device("cpu"))

    return build


@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_monas_stage_moves_embedder_and_predictor_and_leaves_the_body(task, built):
    run, objective, sides = built(task, method="mona", **{"alignment.steps": 3, "alignment.batch": 8})
    before = {name: p.detach().clone() for name, p in objective.named_parameters()}
    figures = stages.before(run, objective, *sides)
    assert all(math.isfinite(value) for value in figures.values())
    for name, parameter in objective.named_parameters():
        moved = not torch.equal(parameter, before[name])
        assert moved == name.startswith(("model.embedder", "model.head")), name
        assert parameter.grad is None


def test_monas_gradient_is_that_of_the_source_loss_after_an_inner_step():
    """By hand, e and φ being numbers, ℓ_t = (φ·e - 1)², and L_s is read through a step of fine-tuning."""
    torch.manual_seed(0)
    rate, phi, e = 0.05, torch.tensor(0.7, dtype=torch.float64), torch.tensor(1.3, dtype=torch.float64)

    def kept(e):
        moved = phi - rate * 2 * e * (phi * e - 1)
        return (moved - 2) ** 2

    exact = torch.func.grad(kept)(e)
    body = torch.nn.Parameter(phi.clone())
    inner = torch.autograd.grad((body * e - 1) ** 2, body)[0]
    with mona._moved([body], [-rate * inner]):
        (direction,) = torch.autograd.grad((body - 2) ** 2, body)
    sides, small = [], 1e-3
    for sign in (1, -1):
        with mona._moved([body], [sign * small * direction]):
            sides.append(torch.func.grad(lambda x: (body.detach() * x - 1) ** 2)(e))
    assert -rate * (sides[0] - sides[1]) / (2 * small) == pytest.approx(exact.item(), rel=1e-6)
    assert body.item() == phi.item()


def test_what_mona_keeps_is_lower_for_classes_apart():
    y = torch.tensor([0, 0, 1, 1])
    apart = torch.tensor([[1.0, 0], [1, 0.01], [-1, 0], [-1, 0.01]])
    assert mona.uniformity_and_alignment(apart, y) < mona.uniformity_and_alignment(apart, torch.tensor([0, 1, 0, 1]))
    assert mona.uniformity_and_alignment(apart, y) < mona.uniformity_and_alignment(apart[:1].expand(4, 2), y)


@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_the_source_predictor_learns_before_the_first_step(task, built):
    settings = {"source_head.steps": 60, "source_head.batch": 64, "init.heads": 0.0}
    run, objective, sides = built(task, **settings)
    before = {name: p.detach().clone() for name, p in objective.named_parameters()}
    _, source, statistics, device = sides
    x, y = source.draw(np.arange(256), np.zeros(256, dtype=np.uint64))

    @torch.no_grad()
    def loss():
        features = objective.model.body(objective.embed_source(torch.from_numpy(x))[0])
        return objective.source_criterion(objective.source_head(features).float(), torch.from_numpy(y)).mean().item()

    start = loss()
    assert start == pytest.approx(math.log(64), rel=1e-3)
    stages.before(run, objective, sides[0], source, statistics, device)
    assert loss() < 0.9 * start
    for name, parameter in objective.named_parameters():
        assert torch.equal(parameter, before[name]) != name.startswith("source_head"), name


def test_a_dense_predictor_of_a_sequence_reads_sources_of_another_length():
    features = torch.randn(2, 50, 4)
    assert source_head._as_many(features, (25,)).shape == (2, 25, 4)
    assert source_head._as_many(features, (50,)) is features


def test_chance_is_what_labels_alone_tell():
    class Classes:
        kind = "classification"

    class Masks:
        kind = "dense"

    split = Split(np.zeros((4, 1)), np.array([0, 0, 0, 1]), np.arange(4))
    found = source_head.chance(Classes(), split)
    assert found["source_chance"] == 0.75
    assert found["source_chance_loss"] == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    masks = Split(np.zeros((1, 1)), np.array([[[1.0, 0], [0, 0]]]), np.arange(1))
    assert source_head.chance(Masks(), masks) == pytest.approx(found)


def test_runs_report_chance_beside_the_source_term(make_run, root, tmp_path):
    reports = []
    run = make_run("ecg", method="pare-random", epochs=1)
    train(run, root, tmp_path, lambda figures: reports.append(figures) or True)
    assert reports[0]["source_chance_loss"] == pytest.approx(math.log(64), rel=1e-3)
    assert 0 < reports[0]["source_chance"] < 0.05
    assert 0 <= reports[0]["source_accuracy"] <= 1
