"""Several workers against one: real processes, real gloo."""

import json
import os

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from pare.config import Run
from pare.errors import Preempted
from pare.training.distributed import DistributedContext
from pare.training.loop import train


def worker(rank, size, port, run, root, folder, out):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": str(size)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=size)
    reports = []

    def report(figures):
        reports.append({name: value for name, value in figures.items() if not isinstance(value, np.ndarray)})
        return True

    trained = train(Run.from_flat(run), root, folder, report)
    world = DistributedContext.current()
    gathered = world.gather(np.arange(rank + 1))
    if world.is_main:
        total = float(sum(p.double().abs().sum() for p in trained.model.parameters()))
        text = {"reports": reports, "total": total, "gathered": gathered.tolist()}
        out.write_text(json.dumps(text))
    else:
        assert trained is None
        assert gathered is None
        assert not reports
    assert world.broadcast(True)
    assert not world.broadcast(rank != 0)
    dist.destroy_process_group()


@pytest.fixture
def workers(root, tmp_path, unused_port):
    # One process imports everything; each worker is a fork of it.
    mp.get_context("forkserver").set_forkserver_preload([__name__])

    def run(run, size):
        out = tmp_path / f"{size}.json"
        arguments = (size, unused_port(), run.flat(), root, tmp_path / f"run-{size}", out)
        mp.start_processes(worker, arguments, nprocs=size, start_method="forkserver")
        return json.loads(out.read_text())

    return run


@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_two_workers_agree_with_one_to_rounding(task, make_run, workers):
    # The curriculum reaches 0, so that in the last epoch the gate is left out of every step.
    run = make_run(task, **{"curriculum.end": 0.0, "curriculum.until": 0.5, "optimizer.accumulate": 2})
    one, two = workers(run, 1), workers(run, 2)
    assert two["gathered"] == [0, 0, 1]
    assert len(one["reports"]) == len(two["reports"]) == 2
    for a, b in zip(one["reports"], two["reports"], strict=True):
        for name in ("loss", "loss_target", "loss_source", "lambda", "gate_mean", "val_loss"):
            if name in a:
                assert b[name] == pytest.approx(a[name], rel=1e-3), name
    assert two["total"] == pytest.approx(one["total"], rel=1e-4)


def test_two_workers_go_on_from_the_middle_of_an_epoch_of_one(make_run, workers, root, tmp_path):
    run = make_run("ecg")
    asked = iter(range(99))
    with pytest.raises(Preempted):
        train(run, root, tmp_path / "run-2", lambda _: True, lambda: next(asked) == 2)
    one, two = workers(run, 1)["reports"], workers(run, 2)["reports"]
    assert [report["loss"] for report in two] == pytest.approx([report["loss"] for report in one], rel=1e-3)


def test_a_lone_process_is_a_world_of_one():
    world = DistributedContext.current()
    assert (world.rank, world.size, world.is_main) == (0, 1, True)
    assert world.broadcast(True)
    assert not world.broadcast(False)
    assert np.array_equal(world.gather(np.arange(3)), np.arange(3))
