"""CutMix on tokens: whose patches, whose labels, and the fields of dense targets."""

import pytest
import torch

from pare.method.cutmix import TokenCutMix, mix_fields


def test_replaced_places_take_the_other_samples_tokens_at_the_same_places(case):
    objective, (x, y) = case.objective("cutmix"), case.batch()
    mixing = case.mixing(objective, 5, noisy=True)
    own, other = objective.model.embed(x), objective.model.embed(mixing.source_x)
    mixed = objective.mix(own, y, mixing)
    for row in range(len(x)):
        chosen = set(mixing.noise[0][row].topk(5).indices.tolist())
        for place in range(own.shape[1]):
            expected = other if place in chosen else own
            assert torch.equal(mixed.tokens_MND[row, place], expected[row, place])
    assert torch.allclose(mixed.lambda_M, torch.full((len(x),), 5 / own.shape[1]))


def test_labels_weigh_by_the_share_of_their_patches():
    from tests.method.conftest import Case

    case = Case("1d")
    objective, (x, y) = case.objective("cutmix", mix_weight=0.7), case.batch()
    mixing = case.mixing(objective, 12, noisy=True)
    losses = objective(x, y, mixing)
    model, share = objective.model, 12 / objective.model.tokens
    mixed = objective.mix(model.embed(x), y, mixing)
    predictions = model.decode(model.body(mixed.tokens_MND))
    own, other = (objective.criterion(predictions, labels) for labels in (y, mixing.source_y))
    expected = objective.criterion(model(x), y) + 0.7 * ((1 - share) * own + share * other)
    torch.testing.assert_close(losses.total, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("k", [0, "all"])
def test_no_place_and_every_place_give_one_sample_or_the_other(case, k):
    objective, (x, y) = case.objective("cutmix"), case.batch()
    mixing = case.mixing(objective, objective.model.tokens if k == "all" else 0, noisy=True)
    kept = (mixing.source_x, mixing.source_y) if k == "all" else (x, y)
    losses = objective(x, y, mixing)
    expected = objective.criterion(objective.model(kept[0]), kept[1])
    torch.testing.assert_close(losses.watched["loss_mixed"], expected, rtol=1e-3, atol=1e-5)


def test_both_samples_reach_the_embedder(case):
    objective, (x, y) = case.objective("cutmix"), case.batch()
    mixing = case.mixing(objective, 3, noisy=True)
    source_x = mixing.source_x.requires_grad_()
    objective(x, y, mixing._replace(source_x=source_x)).total.sum().backward()
    assert all((source_x.grad[row] != 0).any() for row in range(len(x)))


@pytest.mark.parametrize("channels", [(), (2,)])
def test_cells_of_a_field_go_with_their_patches(channels):
    own, other = torch.zeros(1, *channels, 8, 12), torch.ones(1, *channels, 8, 12)
    replaced = torch.zeros(1, 6, dtype=torch.bool)
    replaced[0, 4] = True  # second row, second of three columns
    mixed = mix_fields(own, other, replaced, (2, 3))
    expected = torch.zeros(8, 12)
    expected[4:, 4:8] = 1
    assert torch.equal(mixed, expected.expand_as(mixed))


def test_a_dense_target_is_mixed_and_not_its_loss():
    from tests.method.conftest import Case

    case = Case("2d")
    objective, (x, y) = case.objective("cutmix", mix_weight=1.0), case.batch()
    assert isinstance(objective, TokenCutMix)
    mixing = case.mixing(objective, 60, noisy=True)
    model = objective.model
    mixed = objective.mix(model.embed(x), y, mixing)
    field = mix_fields(y, mixing.source_y, mixed.replaced_MN, model.body.grid)
    expected = objective.criterion(model.decode(model.body(mixed.tokens_MND)), field)
    torch.testing.assert_close(objective(x, y, mixing).watched["loss_mixed"], expected, rtol=1e-3, atol=1e-5)
    assert not torch.equal(field, y)
