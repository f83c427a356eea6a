"""Selection without a gate, padding, and a mixed pass over a part of the batch."""

import pytest
import torch

from pare.config import Gate
from pare.method.objective import Mixing
from pare.method.replacement import mix, select


def test_random_selection_follows_the_noise_and_has_no_gate(case):
    objective, (x, y) = case.objective("pare-random"), case.batch()
    assert objective.gate is None
    mixing = case.mixing(objective, 4, noisy=True)
    target, (source, _) = objective.model.embed(x), objective.embed_source(mixing.source_x)
    mixed = objective.mix(target, y, mixing)
    expected, share = mix(
        target, source, torch.zeros(target.shape[:2]), torch.zeros(source.shape[:2]), mixing.noise, mixing.k, 0.0, 0.1
    )
    assert torch.equal(mixed.tokens_MND, expected)
    assert torch.equal(mixed.lambda_M, share)
    # Another draw, another selection: with 4 of 30 or more places two draws never agree in every sample.
    other = objective.mix(target, y, case.mixing(objective, 4, noisy=True, seed=9)._replace(source_x=mixing.source_x))
    assert not torch.equal(mixed.tokens_MND, other.tokens_MND)


def test_every_patch_is_as_likely_as_any_other():
    torch.manual_seed(0)
    noise = torch.rand(6000, 10), torch.rand(6000, 8)
    zeros = torch.zeros(6000, 10), torch.zeros(6000, 8)
    chosen = select(*zeros, *noise, torch.tensor(3), 0.0)
    assert torch.allclose(chosen.target_BN.float().mean(0), torch.tensor(0.3), atol=0.03)
    assert torch.allclose(chosen.source_BS.float().mean(0), torch.tensor(3 / 8), atol=0.03)


def test_random_selection_is_the_same_by_name_and_by_setting(case):
    by_name, by_setting = case.objective("pare-random"), case.objective("pare", gate=Gate(select="random"))
    mixing = case.mixing(by_name, 4, noisy=True)
    assert torch.equal(by_name(*case.batch(), mixing).total, by_setting(*case.batch(), mixing).total)


def test_saliency_gives_up_the_patches_that_the_loss_misses_least(case):
    """To first order, -⟨∂ℓ/∂T_n, T_n⟩ is what scaling patch n away costs."""
    objective, (x, y) = case.objective(gate=Gate(select="saliency")), case.batch()
    model = objective.model
    tokens = model.embed(x).detach()
    saliency = objective._saliency(tokens, y)

    def loss(row, place, scale):
        moved = tokens.clone()
        moved[row, place] *= scale
        return objective.criterion(model.decode(model.body(moved)), y)[row].double()

    for row, place in ((0, 3), (2, 17)):
        cost = (loss(row, place, 1 - 1e-2) - loss(row, place, 1 + 1e-2)) / 2e-2
        assert saliency[row, place].item() == pytest.approx(cost.item(), rel=0.05, abs=2e-3)
    mixing = case.mixing(objective, 5, noisy=True)
    mixed = objective.mix(tokens, y, mixing)
    untouched = (mixed.tokens_MND == tokens).all(-1)
    for row in range(len(x)):
        lowest = set(saliency[row].topk(5, largest=False).indices.tolist())
        assert set((~untouched[row]).nonzero().flatten().tolist()) == lowest


def test_saliency_leaves_no_gradient_behind(case):
    objective = case.objective(gate=Gate(select="saliency"))
    mixing = case.mixing(objective, 5, noisy=True)
    with torch.no_grad():
        objective._saliency(objective.model.embed(case.batch()[0]), case.batch()[1])
    assert all(p.grad is None for p in objective.parameters())
    objective(*case.batch(), mixing).total.mean().backward()
    assert all(p.grad is not None for p in objective.parameters() if p.requires_grad)


def test_padding_never_enters_and_never_counts():
    torch.manual_seed(0)
    target, source = torch.randn(2, 6, 3), torch.randn(2, 5, 3)
    real = torch.tensor([[True] * 5, [True, True, False, False, False]])
    scores = torch.rand(2, 6), torch.tensor([[0.5] * 5, [0.1, 0.2, 0.9, 0.9, 0.9]])
    mixed, share = mix(target, source, *scores, None, torch.tensor(4), 0.0, 0.1, real)
    assert share.tolist() == pytest.approx([4 / 6, 2 / 6])
    came = [row for row in mixed[1] if not any(torch.equal(row, own) for own in target[1])]
    assert [row.tolist() for row in came] == [source[1, 0].tolist(), source[1, 1].tolist()]


def test_a_share_of_the_batch_is_mixed_and_the_rest_is_at_k_0(case):
    objective, (x, y) = case.objective(mix_weight=0.6), case.batch()
    whole = case.mixing(objective, 5)
    rows = torch.tensor([1, 3])
    part = Mixing(whole.source_x[rows], whole.source_y[rows], whole.k, None, rows)
    losses, all_mixed, none = objective(x, y, part), objective(x, y, whole), objective(x, y, None)
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(losses.total[rows], all_mixed.total[rows], **close)
    torch.testing.assert_close(losses.total[[0, 2]], none.total[[0, 2]], **close)
    assert losses.watched["lambda"][[0, 2]].tolist() == [0, 0]
    assert torch.equal(losses.watched["lambda"][rows], all_mixed.watched["lambda"][rows])


def test_a_hidden_layer_of_the_gate_learns(case):
    objective = case.objective(gate=Gate(hidden=8))
    objective(*case.batch(), case.mixing(objective, 5)).total.mean().backward()
    assert all((p.grad != 0).any() for p in objective.gate.features.parameters())


def test_accuracy_of_the_source_head_is_counted_by_sample(case):
    objective = case.objective()
    mixing = case.mixing(objective, 5)
    right = objective(*case.batch(), mixing).watched["source_accuracy"]
    assert set(right.tolist()) <= {0.0, 1.0}
    with torch.no_grad():
        objective.source_head.linear.weight.zero_()
        objective.source_head.linear.bias.copy_(torch.tensor([0.0, 1.0, 0, 0, 0, 0]))
    right = objective(*case.batch(), mixing).watched["source_accuracy"]
    assert right.tolist() == [float(label == 1) for label in mixing.source_y.tolist()]
