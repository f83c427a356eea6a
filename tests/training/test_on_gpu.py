"""On a card: every method and family by CUDA graphs, what cannot be recorded, several workers, shares of a card."""

import copy
import os
import time
from functools import partial
from typing import get_args

import pytest
import ray
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from pare.config import MethodName, Run
from pare.method import blocks
from pare.method import body as bodies
from pare.method.predictor import ClassPredictor
from pare.search.cluster import connection
from pare.training import graphs, passes
from pare.training.launch import Launch
from pare.training.loop import train
from pare.training.workers import Workers
from tests.method.bodies.small import CONFIGS
from tests.training.host import NothingOfTheHost

RECORDED = [name for name in CONFIGS if not name.startswith("deberta")]
"""DeBERTa makes numbers on the host in every forward: if that cannot be recorded, its steps go on kernel by kernel."""

SHORT = {"orca": {"alignment.steps": 3}, "mona": {"alignment.steps": 3}, "pare": {"source_head.steps": 3}}
"""Stages before the first step."""


def gpu(test):
    return pytest.mark.gpu(pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")(test))


def losses(run, root, folder):
    found = []
    train(run, root, folder, lambda figures: found.append(figures["loss"]) or True)
    return found


def eager(objective, run, world, batch):
    return passes.EagerPasses(objective, objective.model.tokens, 1 / batch, run.precision, world)


def small(name, folder):
    """A family's body, and tokens for it that are data of their own."""
    config = copy.deepcopy(CONFIGS[name])
    kind = bodies.family(config.model_type)
    kind.architecture(config, **kind.options).save_pretrained(folder)
    images = kind.modality == "2d"
    body = bodies.load(str(folder), **({"image_size": 32} if images else {})).train()
    tokens = body.tokens((32, 32), 1) if images else body.tokens((32,), 4)
    return body, torch.randn(2, tokens, body.width, requires_grad=True)


@pytest.mark.parametrize("name", RECORDED)
def test_no_body_asks_the_host_for_anything(name, tmp_path):
    body, x = small(name, tmp_path)
    with torch.autocast("cpu", torch.bfloat16):
        body(x).sum().backward()
        with NothingOfTheHost():
            body(x).float().sum().backward()


@gpu
@pytest.mark.parametrize("name", RECORDED)
def test_every_body_can_be_recorded(name, tmp_path):
    body, x = small(name, tmp_path)
    body, x = body.cuda(), x.detach().cuda()
    forward = graphs.RecordedForward(body)
    with torch.inference_mode():
        warm, replayed = forward(x).clone(), forward(x).clone()
    assert not forward._failed
    assert torch.allclose(warm, replayed, rtol=1e-2, atol=1e-3)


@gpu
@pytest.mark.parametrize("method", get_args(MethodName))
@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_every_method_trains_by_cuda_graphs(task, method, make_run, root, tmp_path, monkeypatch, caplog):
    run = make_run(task, method=method, **SHORT.get(method, {}))
    ours = losses(run, root, tmp_path / "graphs")
    assert not caplog.records, "recorded, with no word of a fallback"
    monkeypatch.setattr(graphs, "passes", eager)
    assert ours == pytest.approx(losses(run, root, tmp_path / "eager"), rel=5e-2)


@gpu
def test_a_step_that_waits_for_the_device_goes_on_without_graphs(make_run, root, tmp_path, monkeypatch, caplog):
    run = make_run("ecg", precision="fp32")
    expected = losses(run, root, tmp_path / "graphs")
    forward = ClassPredictor.forward

    def waits(self, features):
        features.sum().item()
        return forward(self, features)

    monkeypatch.setattr(ClassPredictor, "forward", waits)
    assert losses(run, root, tmp_path / "eager") == pytest.approx(expected, rel=1e-2)
    (record,) = [record for record in caplog.records if record.name == graphs.__name__]
    assert "steps go on without CUDA graphs" in record.getMessage()


@gpu
@pytest.mark.parametrize("body", ["roberta-mini", "swin-mini"])
def test_compiled_blocks_compute_what_the_blocks_do(body, caplog):
    plain = bodies.load(body).cuda().train()
    compiled = copy.deepcopy(plain)
    assert compiled.compile_blocks()
    tokens = plain.tokens((64, 64), 1) if plain.modality == "2d" else plain.tokens((1000,), 40)
    x = torch.randn(2, tokens, plain.width, device="cuda")
    assert torch.allclose(compiled(x), plain(x), rtol=1e-3, atol=1e-4)
    assert not [record for record in caplog.records if record.name == blocks.__name__], "the compiler works here"


def rank(number, size, port, backend, run, root, folder, out):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": str(number)}
    torch.cuda.set_device(number % torch.cuda.device_count())
    dist.init_process_group(backend, rank=number, world_size=size)
    found = losses(Run.from_flat(run), root, folder)
    if number == 0:
        torch.save(found, out)
    dist.destroy_process_group()


@gpu
def test_two_workers_agree_with_one(make_run, root, tmp_path, unused_port):
    """By NCCL where there are two cards, else by gloo on one; both without graphs, as they are told."""
    backend = "nccl" if torch.cuda.device_count() > 1 else "gloo"
    run = make_run("ecg", precision="fp32")
    out = tmp_path / "losses"
    mp.spawn(rank, (2, unused_port(), backend, run.flat(), root, tmp_path / "two", out), nprocs=2)
    assert torch.load(out, weights_only=True) == pytest.approx(losses(run, root, tmp_path / "one"), rel=1e-2)


def half(run, root, folder):
    """Train a run on half a card; returns when, and its losses."""
    began, found = time.time(), []
    launch = Launch(partial(train, run, root, folder), Workers(gpus=0.5), "half", "unused")
    while (figures := launch.next()) is not None:
        found.append(figures["loss"])
    return began, time.time(), found


@gpu
@pytest.mark.ray
def test_two_trials_share_a_card(make_run, root, tmp_path):
    run = make_run("ecg", epochs=20, precision="fp32")
    expected = losses(run, root, tmp_path / "alone")
    connection.connect(None, num_cpus=2, num_gpus=1, include_dashboard=False)
    try:
        remote = ray.remote(num_cpus=1, num_gpus=0.5)(half)
        first, second = ray.get([remote.remote(run, root, tmp_path / str(number)) for number in range(2)])
    finally:
        ray.shutdown()
    assert max(first[0], second[0]) < min(first[1], second[1]), "at the same time"
    for _, _, found in (first, second):
        assert found == pytest.approx(expected, rel=5e-2)
