import pytest
import torch

from pare.method.predictor import ClassPredictor, DensePredictor


def test_class_predictor_ignores_the_order_of_tokens():
    head, features = ClassPredictor(16, 5), torch.randn(2, 7, 16)
    assert torch.allclose(head(features), head(features[:, torch.randperm(7)]), atol=1e-6)
    assert head(features).shape == (2, 5)


@pytest.mark.parametrize("outputs", [(85, 85), (64, 64), (17, 40), (3, 3)])
def test_dense_images_have_exactly_the_targets_size(outputs):
    head = DensePredictor(16, (4, 4), outputs)
    assert head(torch.randn(2, 16, 16)).shape == (2, *outputs)


@pytest.mark.parametrize("outputs", [(1000,), (7,), (33,)])
def test_dense_sequences_have_exactly_the_targets_length(outputs):
    head = DensePredictor(16, (25,), outputs)
    assert head(torch.randn(2, 25, 16)).shape == (2, *outputs)


@pytest.mark.parametrize(("grid", "outputs"), [((4, 4), (2, 33, 33)), ((16,), (3, 100)), ((16,), (1, 100))])
def test_several_fields_have_a_channel_each(grid, outputs):
    assert DensePredictor(16, grid, outputs)(torch.randn(2, 16, 16)).shape == (2, *outputs)


def test_a_cell_reaches_its_own_place():
    head = DensePredictor(4, (4, 4), (32, 32))
    features = torch.randn(1, 16, 4)
    changed = features.clone()
    changed[0, 5] += 1  # row 1, column 1
    moved = (head(changed) - head(features)).abs()[0]
    assert moved[8:16, 8:16].mean() > 0
    assert moved[24:, 24:].max() == 0
