"""Predictions of a whole split, in batches as large as memory allows."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from pare.training.distributed import DistributedContext
from pare.training.evaluate import predict

TASK = SimpleNamespace(shape=(3,), assemble=lambda x: np.asarray(x, dtype=np.float32))
ALONE = DistributedContext(0, 1, torch.device("cpu"))


class Double(nn.Module):
    """Has memory for so many samples at once."""

    def __init__(self, room):
        super().__init__()
        self.room, self.asked = room, []

    def forward(self, x):
        self.asked.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.")
        return 2 * x


def test_all_samples_come_in_their_order_and_the_model_keeps_its_mode():
    x = np.arange(600, dtype=np.float64).reshape(200, 3)
    model = Double(1000).train()
    assert np.array_equal(predict(model, TASK, x, ALONE), 2 * x)
    assert model.training
    assert predict(model, TASK, x, ALONE).dtype == np.float32


def test_batches_shrink_until_they_fit():
    model = Double(20)
    x = np.ones((100, 3))
    assert predict(model, TASK, x, ALONE).shape == (100, 3)
    assert model.asked[:3] == [64, 32, 16]
    with pytest.raises(torch.OutOfMemoryError):
        predict(Double(0), TASK, x, ALONE)


def test_an_empty_share_is_no_error():
    assert len(predict(Double(9), TASK, np.ones((0, 3)), ALONE)) == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_a_gpu_predictions_are_those_of_the_host():
    model = nn.Linear(3, 2)
    x = np.random.default_rng(0).standard_normal((2000, 3))
    here = predict(model, TASK, x, ALONE)
    there = predict(model.cuda(), TASK, x, DistributedContext(0, 1, torch.device("cuda")))
    assert np.allclose(here, there, atol=1e-5)
    rounded = predict(model, TASK, x, DistributedContext(0, 1, torch.device("cuda")), "bf16")
    assert np.allclose(here, rounded, atol=5e-2)
