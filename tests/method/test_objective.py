"""The objective's invariants, on sequences and on images."""

from types import SimpleNamespace

import pytest
import torch

from pare.config import Gate
from pare.method.objective import Mixing
from pare.sources.formula import masks


@pytest.mark.parametrize("noisy", [True, False])
def test_gate_gets_a_gradient_in_both_phases_and_the_source_embedder_never(case, noisy):
    objective = case.objective()
    mixing = case.mixing(objective, 5, noisy=noisy)
    objective(*case.batch(), mixing).total.mean().backward()
    for parameter in objective.gate.parameters():
        assert parameter.grad.isfinite().all()
    assert (objective.gate.score.weight.grad != 0).any()
    assert all(parameter.grad is None for parameter in objective.model.body.source_embedder.parameters())
    assert all(p.grad is not None for p in objective.parameters() if p.requires_grad)


def test_without_replacement_the_mixed_term_is_the_target_term(case):
    objective, (x, y) = case.objective(mix_weight=0.3), case.batch()
    plain = objective.criterion(objective.model(x), y)
    without = objective(x, y, None).total
    assert torch.allclose(without, 1.3 * plain, rtol=1e-5)
    # A threshold that lets nothing in runs the mixed pass on M = T and must come to the same.
    shut = case.objective(mix_weight=0.3, gate=Gate(threshold=0.999))
    shut.load_state_dict(objective.state_dict())
    losses = shut(x, y, case.mixing(shut, 5))
    assert losses.watched["lambda"].tolist() == [0] * 4
    assert torch.allclose(losses.total, without, rtol=1e-4)


def test_zero_weight_is_naive_fine_tuning(case):
    pare, nft = case.objective("pare", mix_weight=0.0), case.objective("nft")
    nft.model.load_state_dict(pare.model.state_dict())
    x, y = case.batch()
    assert torch.allclose(pare(x, y, case.mixing(pare, 5)).total, nft(x, y, None).total, rtol=1e-5)


def test_full_replacement_leaves_only_the_source_term(case):
    objective, (x, y) = case.objective(mix_weight=0.5), case.batch()
    n, s = objective.model.tokens, objective.model.body.source_tokens(case.source.shape[1:])
    if n > s:
        pytest.skip("more target places than source patches")
    losses = objective(x, y, case.mixing(objective, n))
    assert losses.watched["lambda"].tolist() == [1] * 4
    expected = losses.watched["loss_target"] + 0.5 * losses.watched["loss_source"]
    assert torch.allclose(losses.total, expected, rtol=1e-5)


@pytest.mark.parametrize("noisy", [True, False])
def test_loss_of_a_batch_is_the_mean_of_its_parts(case, noisy):
    objective, (x, y) = case.objective(), case.batch(size=5)
    mixing = case.mixing(objective, 3, size=5, noisy=noisy)
    whole = objective(x, y, mixing).total.mean()
    whole.backward()
    gradient = objective.gate.score.weight.grad.clone()
    objective.zero_grad()
    parts = 0
    for rows in (slice(0, 2), slice(2, 5)):
        noise = None if mixing.noise is None else tuple(part[rows] for part in mixing.noise)
        part = Mixing(mixing.source_x[rows], mixing.source_y[rows], mixing.k, noise)
        loss = objective(x[rows], y[rows], part).total.sum() / 5
        loss.backward()
        parts += loss.item()
    assert parts == pytest.approx(whole.item(), rel=1e-5)
    assert torch.allclose(objective.gate.score.weight.grad, gradient, rtol=1e-3, atol=1e-6)


def test_one_step_runs_each_embedder_once_and_the_body_once(case):
    objective = case.objective()
    calls = {"embedder": 0, "own": 0, "body": 0}
    parts = {
        "embedder": objective.model.embedder,
        "own": objective.model.body.source_embedder,
        "body": objective.model.body,
    }
    for name, module in parts.items():
        module.register_forward_hook(lambda *_, name=name: calls.__setitem__(name, calls[name] + 1))
    objective(*case.batch(), case.mixing(objective, 3))
    assert calls == {"embedder": 1, "own": 1, "body": 1}


def test_the_curriculum_never_recompiles_a_step(case):
    """Three graphs serve a run: with noise, without, and without a mixed pass."""
    objective = case.objective()
    torch._dynamo.reset()
    compiled = torch.compile(objective, backend="eager", fullgraph=True, dynamic=False)
    x, y = case.batch()
    for mixing in (case.mixing(objective, 5, noisy=True), case.mixing(objective, 5), None):
        compiled(x, y, mixing)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for k in (4, 3, 2, 1):
            for noisy in (True, False):
                mixing = case.mixing(objective, k, noisy=noisy)
                expected = objective(x, y, mixing).total
                assert torch.allclose(compiled(x, y, mixing).total, expected, rtol=1e-5)
        compiled(x, y, None)


def test_fine_tuning_takes_no_source_batch(case):
    objective = case.objective("nft")
    with pytest.raises(ValueError, match="no source batch"):
        objective(*case.batch(), case.mixing(objective, 3))


def test_a_dense_source_has_its_own_head_and_loss(case):
    """Masks as source labels: predicted by the source's head, at the size of a dense target, else at their own."""
    outputs = (40, 48) if case.modality == "2d" else (90,)
    case.source = SimpleNamespace(kind="dense", shape=case.source.shape, output_shape=outputs)
    objective = case.objective(source_criterion=masks.cross_entropy)
    assert objective.source_head.outputs == (case.target.output_shape if case.target.kind == "dense" else outputs)
    mixing = case.mixing(objective, 4)._replace(source_y=torch.randint(2, (4, *outputs)).float())
    losses = objective(*case.batch(), mixing)
    losses.total.mean().backward()
    assert losses.watched["loss_source"].shape == (4,)
    assert all(p.grad is not None for p in objective.source_head.parameters())


def test_source_statistics_normalise_the_source(case):
    objective, batch = case.objective(), case.batch()
    mixing = case.mixing(objective, 4)
    before = objective(*batch, mixing).watched["loss_source"]
    objective.source_mean.fill_(3.0)
    objective.source_std.fill_(2.0)
    shifted = mixing._replace(source_x=mixing.source_x * 2 + 3)
    assert torch.allclose(objective(*batch, shifted).watched["loss_source"], before, atol=1e-4)
