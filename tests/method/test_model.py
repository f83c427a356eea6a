"""The model standardises inputs before it embeds them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pare.method import body as bodies
from pare.method.model import CrossModalModel

IMAGES = SimpleNamespace(shape=(2, 20, 24), output_shape=(3,), kind="classification")


@pytest.mark.parametrize("shape", [(), (2, 1, 1), (2, 20, 24), (1, 20, 24)], ids=str)
def test_inputs_are_normalised_whatever_the_statistics_are_by(shape):
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=shape), rng.uniform(0.5, 2, size=shape)
    model = CrossModalModel(IMAGES, bodies.load("swin-mini"), 1, {"input_mean": mean, "input_std": std}).eval()
    x = torch.randn(3, *IMAGES.shape)
    normalised = (x - torch.tensor(mean).float()) / torch.tensor(std).float()
    torch.testing.assert_close(model.embed(x), model.embedder(normalised), atol=1e-5, rtol=1e-4)
