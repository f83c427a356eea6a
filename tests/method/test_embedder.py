import pytest
import torch
import torch.nn.functional as F

from pare.method.embedder import resize


@pytest.mark.parametrize("size", [(4, 4), (9, 7), (24, 20)])
def test_resizing_is_bilinear_interpolation(size):
    images = torch.randn(2, 5, 12, 10)
    expected = F.interpolate(images, size=size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize(images, size), expected)
