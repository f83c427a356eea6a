"""The dataset distance against closed forms and POT's own solvers."""

import sys

import numpy as np
import ot
import pytest
import torch
from ot.gaussian import bures_wasserstein_distance

from pare.method.alignment import Cloud, DatasetDistance, Gaussians, gaussians, ground_cost, transport, wasserstein


def cloud(shift=0.0, seed=0, size=90, width=6):
    """Three classes in a row."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(size) % 3
    x = torch.randn(size, width, generator=generator)
    x[:, 0] += 4 * y + shift
    return Cloud(x, y)


def value(target, source, regularisation=0.1):
    return DatasetDistance(source, target, regularisation).value(target, source)


def test_label_distance_agrees_with_pot():
    generator = torch.Generator().manual_seed(0)

    def some(classes, width=5):
        factors = torch.randn(classes, width, width, generator=generator, dtype=torch.float64)
        return Gaussians(torch.randn(classes, width, generator=generator).double(), factors @ factors.mT)

    a, b = some(3), some(4)
    expected = bures_wasserstein_distance(*(g.numpy() for g in (a[0], b[0], a[1], b[1])))
    assert np.allclose(wasserstein(a, b).sqrt(), expected)
    assert torch.allclose(wasserstein(a, a).diagonal(), torch.zeros(3).double(), atol=1e-9)


def test_label_distance_of_samples_is_the_closed_form_of_their_gaussians():
    generator = torch.Generator().manual_seed(0)
    deviations, means = torch.tensor([[1.0, 2.0, 0.5], [2.0, 1.0, 1.5]]), torch.tensor([[0.0, 0.0, 0.0], [1.0, 3.0, 0]])
    y = torch.arange(40_000) % 2
    x = means[y] + deviations[y] * torch.randn(len(y), 3, generator=generator)
    between = wasserstein(gaussians(Cloud(x, y)), gaussians(Cloud(x, y)))[0, 1]
    expected = (means[0] - means[1]).square().sum() + (deviations[0] - deviations[1]).square().sum()
    assert between.item() == pytest.approx(expected.item(), rel=0.03)


def test_a_class_of_one_sample_borrows_the_spread_of_the_others():
    x, y = cloud()
    classes = gaussians(Cloud(torch.cat([x, x[:1] + 50]), torch.cat([y, torch.tensor([3])])))
    spread = classes.covariances_KDD.diagonal(dim1=1, dim2=2).mean(1)
    assert 0.5 < spread[3] / spread[:3].mean() < 1.5


def test_transport_and_its_gradient_agree_with_pot():
    source, target = cloud(seed=1, size=40), cloud(shift=1.0, size=30)
    cost = torch.cdist(target.x, source.x).double().square().requires_grad_()
    expected = ot.solve(cost, reg=3.0, reg_type="KL", grad="autodiff", tol=1e-6).value
    found = transport(cost, 3.0)
    assert found.item() == pytest.approx(expected.item(), rel=1e-3)
    (expected_gradient,), (gradient,) = torch.autograd.grad(expected, cost), torch.autograd.grad(found, cost)
    assert torch.allclose(gradient, expected_gradient, rtol=0.05, atol=1e-5)


def test_cost_adds_the_way_between_classes_to_that_between_features():
    a, b = cloud(size=6), cloud(seed=1, size=4)
    classes = torch.rand(3, 3, dtype=torch.float64)
    cost = ground_cost(a, b, classes)
    assert cost[2, 3].item() == pytest.approx(
        ((a.x[2] - b.x[3]).square().sum() + classes[a.y[2], b.y[3]]).item(), rel=1e-5
    )


def test_a_data_set_is_at_no_distance_from_itself_and_hardly_any_from_its_like():
    assert value(cloud(), cloud()) == pytest.approx(0, abs=1e-5)
    assert abs(value(cloud(seed=1), cloud())) < 0.1 * value(cloud(shift=4.0), cloud())


def test_distance_is_the_same_both_ways_and_grows_with_a_shift():
    there, back = value(cloud(shift=3.0, seed=1), cloud()), value(cloud(), cloud(shift=3.0, seed=1))
    assert there == pytest.approx(back, rel=0.1)
    values = [value(cloud(shift=shift), cloud()) for shift in (0.0, 1.0, 2.0, 4.0)]
    assert values == sorted(values)
    assert values[-1] > values[1] + 0.1


def test_distance_sees_classes_where_features_are_the_same():
    source = cloud()
    mixed = Cloud(source.x, source.y[torch.randperm(90, generator=torch.Generator().manual_seed(0))])
    assert value(mixed, source) > 0.1


def test_classes_follow_the_features_when_told_to():
    source, near, far = cloud(), cloud(seed=1), cloud(shift=5.0, seed=1)
    distance = DatasetDistance(source, far, 0.1)
    stale = distance.value(near, source)
    distance.follow(near)
    assert distance.value(near, source) < stale


def test_gradient_reaches_the_embedder_only(case):
    model = case.objective("orca").model
    x, _ = case.batch(size=8)
    source_x = case.mixing(case.objective(), 1, size=8).source_x
    y = torch.arange(8) % 2
    source = Cloud(model.body.source_embedder(source_x).mean(1), y)
    target = Cloud(model.embed(x).mean(1), y)
    DatasetDistance(source, target, 0.1).loss(target, source).backward()
    for name, parameter in model.named_parameters():
        if name.startswith("embedder."):
            assert parameter.grad.isfinite().all()
            assert parameter.grad.abs().sum() > 0, name
        else:
            assert parameter.grad is None, name


def test_no_other_framework_is_started(tmp_path, monkeypatch):
    """JAX takes three quarters of a GPU's memory as it starts."""
    for name in ("jax", "cupy", "tensorflow"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} was started')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "ot"]:
        monkeypatch.delitem(sys.modules, name)
    points = cloud(size=6)
    assert float(value(points, points)) == pytest.approx(0, abs=1e-4)
