"""When runs are saved, and that a copy is what is written."""

import threading

import pytest
import torch
from torch import nn

from pare.training import saving
from pare.training.checkpoint import Best, Checkpoints, TrainingState
from pare.training.saving import Saver


@pytest.fixture
def run(tmp_path):
    module = nn.Linear(3, 4)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    module(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    return Checkpoints(tmp_path), module, optimizer


def weigh(module, value):
    with torch.no_grad():
        module.weight.fill_(value)


def epochs(checkpoints):
    return [int(path.stem.removeprefix("epoch-")) for path in checkpoints._found()]


def test_what_is_written_is_the_epoch_that_was_saved(run, monkeypatch):
    """The next epoch changes the weights while the thread writes."""
    checkpoints, module, _ = run
    go = threading.Event()
    write = Checkpoints.write
    monkeypatch.setattr(Checkpoints, "write", lambda *args: go.wait() and write(*args))
    with Saver(*run) as saver:
        weigh(module, 1.0)
        saver.epoch(TrainingState(1, Best(1, 0.5)))
        weigh(module, 2.0)
        go.set()
    checkpoints.load_model(1, module)
    assert (module.weight == 1).all()


def test_a_run_is_saved_as_often_as_costs_little_and_each_minute_at_least(run, monkeypatch):
    checkpoints, *_ = run
    now = [0.0]
    monkeypatch.setattr(saving, "SHARE", 0.02)
    monkeypatch.setattr(saving.time, "perf_counter", lambda: now[0])
    snapshot = Checkpoints.snapshot

    def slowly(*args):
        now[0] += 0.5
        return snapshot(*args)

    monkeypatch.setattr(Checkpoints, "snapshot", slowly)
    saved = []
    monkeypatch.setattr(Checkpoints, "write", lambda _, snapshot: saved.append(snapshot.epoch))
    with Saver(*run) as saver:
        for epoch in range(1, 31):
            now[0] += 10
            saver.epoch(TrainingState(epoch, Best(1, 0.0)))
            saver._settle()
    # Half a second is 2 % of 25 s: every third epoch of 10 s.
    assert saved == list(range(1, 31, 3))
    monkeypatch.setattr(saving, "SHARE", 0.0)
    with Saver(*run) as saver:
        saved.clear()
        saver._cost = 0.5
        for epoch in range(1, 13):
            now[0] += 10
            saver.epoch(TrainingState(epoch, Best(1, 0.0)))
    assert saved == [1, 6, 12], "the weights of the best, and a checkpoint a minute"


def test_a_best_epoch_that_was_not_saved_is_written_with_the_next(run, monkeypatch):
    checkpoints, module, optimizer = run
    monkeypatch.setattr(saving, "SHARE", -1.0)
    with Saver(*run) as saver:
        weigh(module, 3.0)
        saver.epoch(TrainingState(3, Best(3, 0.9)))
        weigh(module, 4.0)
        saver.epoch(TrainingState(4, Best(3, 0.9)))
        assert epochs(checkpoints) == []
        saver.load_best(3)
        assert (module.weight == 3).all(), "from memory"
        weigh(module, 5.0)
        saver.now(TrainingState(5, Best(3, 0.9), step=2))
    names = sorted(path.stem for path in checkpoints._found())
    assert names == ["epoch-00003", "epoch-00005-step-00000002"]
    assert checkpoints.restore(module, optimizer) == TrainingState(5, Best(3, 0.9), step=2)
    assert (module.weight == 5).all()
    checkpoints.load_model(3, module)
    assert (module.weight == 3).all()


def test_weights_alone_are_nothing_to_go_on_from(run):
    checkpoints, module, optimizer = run
    checkpoints.save(TrainingState(1, Best(1, 0.1)), module, optimizer)
    checkpoints.write(checkpoints.weights(TrainingState(2, Best(2, 0.2)), module))
    checkpoints.save(TrainingState(3, Best(2, 0.2)), module, optimizer)
    (checkpoints.folder / "epoch-00003.safetensors").write_bytes(b"half")
    assert checkpoints.restore(module, optimizer) == TrainingState(1, Best(1, 0.1))


def test_a_write_that_failed_is_the_runs_error(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Checkpoints, "write", full)
    saver = Saver(*run)
    with pytest.raises(OSError, match="No space"), saver:
        saver.epoch(TrainingState(1, Best(1, 0.0)))


def test_a_run_that_fails_fails_for_its_own_reason(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    def train(saver):
        saver.epoch(TrainingState(1, Best(1, 0.0)))
        raise KeyError

    monkeypatch.setattr(Checkpoints, "write", full)
    with pytest.raises(KeyError), Saver(*run) as saver:
        train(saver)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_from_a_gpu_comes_what_was_there(tmp_path):
    module = nn.Linear(300, 400).cuda()
    optimizer = torch.optim.AdamW(module.parameters(), fused=True)
    module(torch.randn(5, 300, device="cuda")).sum().backward()
    optimizer.step()
    checkpoints, before = Checkpoints(tmp_path), module.weight.detach().clone()
    with Saver(checkpoints, module, optimizer) as saver:
        saver.epoch(TrainingState(1, Best(1, 0.0)))
        weigh(module, 2.0)
    checkpoints.restore(module, optimizer)
    assert torch.equal(module.weight, before)
