"""A trial whose checkpoints were damaged while nobody ran it still ends with the model that it would have had."""

import math

import pytest
import torch

from pare.errors import Stopped
from pare.training import saving
from pare.training.loop import train


@pytest.mark.parametrize("damaged", [[2], [1, 2]])
def test_damaged_checkpoints_cost_epochs_and_nothing_else(damaged, make_run, root, tmp_path, monkeypatch):
    """The best epoch's file may be among them, which the end of the run, and a test, would need."""
    monkeypatch.setattr(saving, "SHARE", math.inf)
    run = make_run("ecg", method="nft", epochs=3)
    whole = train(run, root, tmp_path / "whole", lambda _: True)
    with pytest.raises(Stopped):
        train(run, root, tmp_path / "cut", lambda figures: figures["epoch"] < 2)
    for epoch in damaged:
        path = tmp_path / "cut" / f"epoch-{epoch:05d}.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
    epochs = []
    resumed = train(run, root, tmp_path / "cut", lambda figures: epochs.append(figures["epoch"]) is None)
    # The report of a whole checkpoint is repeated; without one the run starts anew.
    assert epochs == [1, 2, 3]
    assert resumed.best == whole.best
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name])
