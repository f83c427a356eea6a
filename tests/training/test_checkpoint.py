import errno
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from pare import bucket
from pare.bucket import Folder
from pare.training.checkpoint import Best, Checkpoints, TrainingState


def pair(seed=0):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    module(torch.randn(5, 3)).square().sum().backward()
    optimizer.step()
    return module, optimizer


def test_comes_back_bit_for_bit(tmp_path):
    module, optimizer = pair()
    progress = TrainingState(3, Best(3, 0.1), {"epoch": 3, "loss": 0.5}, 1.5)
    Checkpoints(tmp_path).save(progress, module, optimizer)
    other, other_optimizer = pair(1)
    assert Checkpoints(tmp_path).restore(other, other_optimizer) == progress
    for a, b in zip(module.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    first, second = optimizer.state_dict()["state"], other_optimizer.state_dict()["state"]
    for index, state in first.items():
        for name, value in state.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(second[index][name]))


def test_nothing_there_restores_nothing(tmp_path):
    assert Checkpoints(tmp_path / "none").restore(*pair()) == TrainingState()


def test_keeps_the_newest_two_and_the_best(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    module, optimizer = pair()
    for epoch in range(1, 7):
        checkpoints.save(TrainingState(epoch, Best(min(epoch, 2), 0.0)), module, optimizer)
    assert sorted(p.stem for p in tmp_path.iterdir()) == ["epoch-00002", "epoch-00005", "epoch-00006"]


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage"])
def test_a_damaged_newest_falls_back_to_the_one_before(tmp_path, damage):
    checkpoints = Checkpoints(tmp_path)
    module, optimizer = pair()
    for epoch in (1, 2):
        checkpoints.save(TrainingState(epoch, Best(1, 0.0)), module, optimizer)
    newest = tmp_path / "epoch-00002.safetensors"
    whole = newest.read_bytes()
    newest.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b"", "garbage": b"\xff" * 64}[damage])
    restored = checkpoints.restore(*pair(1))
    assert restored.epoch == 1


def test_a_failed_write_leaves_the_old_and_no_litter(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    module, optimizer = pair()
    checkpoints.save(TrainingState(1, Best(1, 0.0)), module, optimizer)

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("pare.training.checkpoint.save_file", full)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save(TrainingState(2, Best(1, 0.0)), module, optimizer)
    assert [p.name for p in tmp_path.iterdir()] == ["epoch-00001.safetensors"]


def test_files_are_safetensors(tmp_path):
    Checkpoints(tmp_path).save(TrainingState(1, Best(1, 0.0)), *pair())
    with safe_open(tmp_path / "epoch-00001.safetensors", "pt") as file:
        assert any(name.startswith("model.") for name in file.keys())  # noqa: SIM118
        assert any(name.startswith("optimizer.") for name in file.keys())  # noqa: SIM118


@pytest.mark.parametrize("damage", [lambda p: p.write_bytes(p.read_bytes()[:-1]), Path.unlink], ids=["cut", "gone"])
def test_one_whose_best_is_lost_is_of_no_use(tmp_path, damage):
    """The weights of the best epoch are kept to the end."""
    checkpoints = Checkpoints(tmp_path)
    module, optimizer = pair()
    for epoch, best in ((1, 1), (2, 2), (3, 2)):
        checkpoints.save(TrainingState(epoch, Best(best, 0.0)), module, optimizer)
    damage(tmp_path / "epoch-00002.safetensors")
    assert checkpoints.restore(*pair(1)) == TrainingState()
    assert list(tmp_path.iterdir()) == [], "a later life would take it for newer than its own"


def test_the_one_before_keeps_its_best(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    module, optimizer = pair()
    for epoch, best in ((1, 1), (2, 1), (3, 1), (4, 4)):
        checkpoints.save(TrainingState(epoch, Best(best, 0.0)), module, optimizer)
    assert sorted(p.stem for p in tmp_path.iterdir()) == ["epoch-00001", "epoch-00003", "epoch-00004"]
    (tmp_path / "epoch-00004.safetensors").write_bytes(b"")
    assert checkpoints.restore(*pair(1)) == TrainingState(3, Best(1, 0.0))
    checkpoints.load_model(1, module)


def test_a_full_disk_is_told_as_one(tmp_path, monkeypatch):
    """The library hides the number of the error in words."""

    def full(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("pare.training.checkpoint.save_file", full)
    with pytest.raises(OSError) as error:
        Checkpoints(tmp_path).save(TrainingState(1, Best(1, 0.0)), *pair())
    assert error.value.errno == errno.ENOSPC
    assert error.value.filename == str(tmp_path / "epoch-00001.safetensors")


def test_one_in_the_middle_of_an_epoch_is_newer_than_the_epoch_before(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    module, optimizer = pair()
    checkpoints.save(TrainingState(1, Best(1, 0.0)), module, optimizer)
    checkpoints.save(TrainingState(1, Best(1, 0.0), {}, 2.0, 12, {"loss": torch.tensor(3.0)}), module, optimizer)
    restored = checkpoints.restore(*pair(1))
    assert (restored.epoch, restored.step, restored.watched["loss"]) == (1, 12, 3.0)
    checkpoints.save(TrainingState(2, Best(1, 0.0)), module, optimizer)
    assert checkpoints.restore(*pair(1)) == TrainingState(2, Best(1, 0.0))


def test_one_before_the_first_epoch_has_no_best(tmp_path):
    Checkpoints(tmp_path).save(TrainingState(step=2), *pair())
    assert Checkpoints(tmp_path).restore(*pair(1)) == TrainingState(step=2)


@pytest.fixture
def remote(store_url):
    return Folder(f"{store_url}/run/ecg/running/pare-0000")


def test_another_node_goes_on_from_the_bucket(remote, tmp_path):
    one, other = Checkpoints(tmp_path / "one", remote), Checkpoints(tmp_path / "other", remote)
    module, optimizer = pair()
    for epoch, best in ((1, 1), (2, 1), (3, 1), (4, 4)):
        one.save(TrainingState(epoch, Best(best, 0.0)), module, optimizer)
    assert set(remote.files()) == {f"epoch-0000{epoch}.safetensors" for epoch in (1, 3, 4)}
    restored, restored_optimizer = pair(1)
    assert other.restore(restored, restored_optimizer) == TrainingState(4, Best(4, 0.0))
    for a, b in zip(module.state_dict().values(), restored.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    other.save(TrainingState(4, Best(4, 0.0), step=7), restored, restored_optimizer)
    assert set(remote.files()) == {"epoch-00004.safetensors", "epoch-00004-step-00000007.safetensors"}
    # The first node, whose own are old by now, goes on where the other came to.
    assert one.restore(*pair(1)) == TrainingState(4, Best(4, 0.0), step=7)


def test_one_that_is_damaged_in_the_bucket_is_replaced(remote, tmp_path):
    one, other = Checkpoints(tmp_path / "one", remote), Checkpoints(tmp_path / "other", remote)
    module, optimizer = pair()
    for epoch in (1, 2):
        one.save(TrainingState(epoch, Best(1, 0.0)), module, optimizer)
    remote.write("epoch-00002.safetensors", b"half")
    assert other.restore(module, optimizer) == TrainingState(1, Best(1, 0.0))
    other.save(TrainingState(2, Best(1, 0.0)), module, optimizer)
    assert Checkpoints(tmp_path / "third", remote).restore(*pair(1)) == TrainingState(2, Best(1, 0.0))


def test_a_bucket_that_is_away_stops_no_run_and_gets_all_later(remote, tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, remote)
    module, optimizer = pair()
    with monkeypatch.context() as away:
        away.setattr(bucket, "_WAITS", ())
        away.setattr(Folder, "files", lambda _: (_ for _ in ()).throw(OSError("away")))
        assert checkpoints.restore(module, optimizer) == TrainingState()
        checkpoints.save(TrainingState(1, Best(1, 0.0)), module, optimizer)
    checkpoints.save(TrainingState(2, Best(1, 0.0)), module, optimizer)
    assert set(remote.files()) == {"epoch-00001.safetensors", "epoch-00002.safetensors"}
