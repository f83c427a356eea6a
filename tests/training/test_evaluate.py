"""Predictions of a whole split, in batches as large as memory allows."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from pare import tasks
from pare.method import methods
from pare.training import evaluate, graphs
from pare.training.distributed import DistributedContext
from pare.training.evaluate import predict
from pare.training.graphs import RecordedForward
from tests.training.host import NothingOfTheHost

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


class Again:
    """Stands in for CUDA: a replay computes anew from the static input, into the tensor of the first result."""

    def warm_up(self, compute):
        return compute()

    def record(self, compute):
        static = torch.full_like(compute(), torch.nan)  # a recording computes nothing yet
        return lambda: static.copy_(compute()), static


class Broken(Again):
    def record(self, _):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")


class Full(Again):
    def record(self, _):
        raise torch.OutOfMemoryError("CUDA out of memory.")


BATCHES = [torch.full((4, 3), float(number)) for number in range(4)] + [torch.ones(2, 3)]


def test_recorded_predictions_are_those_of_the_model():
    model = Double(9)
    forward = RecordedForward(model, Again)
    for x in BATCHES:
        assert torch.equal(forward(x), 2 * x)


def test_where_a_prediction_cannot_be_recorded_it_goes_on_and_says_so_once(caplog):
    forward = RecordedForward(Double(9), Broken)
    for x in BATCHES:
        assert torch.equal(forward(x), 2 * x)
    assert [record.getMessage() for record in caplog.records if record.name == graphs.__name__] == [
        "predictions go on without CUDA graphs, which could not be recorded: operation not permitted when stream is "
        "capturing"
    ]


def test_a_recording_without_memory_is_no_reason_to_go_on_with_such_batches():
    forward = RecordedForward(Double(9), Full)
    forward(BATCHES[0])
    with pytest.raises(torch.OutOfMemoryError):
        forward(BATCHES[1])


@pytest.mark.parametrize("task", ["ecg", "darcy"])
@torch.inference_mode()
def test_no_prediction_asks_the_host_for_anything(task, make_run):
    run = make_run(task)
    target, source = tasks.get(task), tasks.get(run.source)
    model = methods.build(run, target, target.criterion, {}, source, {}, source.criterion).model.eval()
    x = torch.randn(2, *target.shape)
    model(x)
    with NothingOfTheHost():
        model(x)


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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_predictions_by_a_cuda_graph_are_those_of_single_kernels(task, precision, make_run, monkeypatch, caplog):
    monkeypatch.setattr(evaluate, "_SAMPLES", {"cuda": 4})
    run, target = make_run(task), tasks.get(task)
    source = tasks.get(run.source)
    model = methods.build(run, target, target.criterion, {}, source, {}, source.criterion).model.cuda()
    x = np.random.default_rng(0).standard_normal((4 * evaluate._RECORDED + 2, *target.shape)).astype(np.float32)
    like = SimpleNamespace(shape=target.shape, assemble=np.asarray)
    world = DistributedContext(0, 1, torch.device("cuda"))
    recorded = predict(model, like, x, world, precision)
    assert not caplog.records, "recorded, with no word of a fallback"
    monkeypatch.setattr(evaluate, "_RECORDED", len(x))
    assert np.allclose(recorded, predict(model, like, x, world, precision), rtol=1e-2, atol=1e-3)
