import numpy as np
import pytest
import torch

from pare.losses import binary_cross_entropy
from pare.sources.formula import masks


def test_masks_of_the_logits_size_are_compared_as_they_are():
    generator = torch.Generator().manual_seed(0)
    logits, mask = torch.randn(3, 5, 7, generator=generator), torch.randint(2, (3, 5, 7), generator=generator)
    expected = binary_cross_entropy(logits, mask.float())
    torch.testing.assert_close(masks.cross_entropy(logits, mask.to(torch.uint8)), expected)


@pytest.mark.parametrize("size", [(10, 14), (85, 85), (3, 4)])
def test_masks_of_another_size_are_resized_without_blending(size):
    mask = torch.randint(2, (2, 5, 7), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    # A pixel's centre decides.
    row, column = (
        torch.from_numpy(((np.arange(new) + 0.5) * old / new).astype(int))
        for new, old in zip(size, (5, 7), strict=True)
    )
    logits = torch.randn(2, *size, generator=torch.Generator().manual_seed(1))
    expected = binary_cross_entropy(logits, mask[:, row][:, :, column].float())
    torch.testing.assert_close(masks.cross_entropy(logits, mask), expected)


def test_the_metric_is_the_overlap_of_foregrounds():
    mask = np.array([[[1, 1, 0, 0]]], dtype=np.uint8)
    assert masks.METRIC.compute(np.array([[[2.0, 1.0, -1.0, -3.0]]]), mask) == 0
    assert masks.METRIC.compute(np.array([[[-1.0, 1.0, 1.0, -3.0]]]), mask) == pytest.approx(2 / 3)
    assert masks.METRIC.compute(np.array([[[-1.0, -1.0, 1.0, 1.0]]]), mask) == 1
