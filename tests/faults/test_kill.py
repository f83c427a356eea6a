"""The torture of `tests.faults.kill`, in short."""

import random

import pytest

from tests.faults import kill

SMALL = ["--tasks", "ecg", "--trials", "2", "--epochs", "2", "--seeds", "1", "--preset", "laptop"]


@pytest.mark.ray
def test_a_killed_sweep_ends_as_one_that_was_not(root, tmp_path):
    assert kill.torture(tmp_path, root, runs=1, chance=random.Random(36), options=SMALL) == []
