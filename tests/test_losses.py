"""The losses' helpers accept targets in the types that tasks and sources store."""

import pytest
import torch

from pare.losses import hits


def test_hits_of_classes():
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
    assert hits(logits, torch.tensor([0, 1, 1])).tolist() == [1, 1, 0]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32], ids=str)
def test_hits_of_masks_of_any_type_and_size(dtype):
    mask = torch.tensor([[[1, 0], [0, 0]]], dtype=dtype)
    logits = torch.where(mask.bool(), 1.0, -1.0)
    assert hits(logits, mask).tolist() == [1]
    larger = logits.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert hits(larger, mask).tolist() == [1]
    assert hits(-larger, mask).tolist() == [0]
