"""Damaged files of every format: read rightly or refused in one line. `-m fuzz` tries 5,000 of each, in minutes."""

import subprocess
import sys

import pytest

from pare import tasks
from tests.fuzz.__main__ import run
from tests.fuzz.formats import FORMATS
from tests.fuzz.mutate import mutated


@pytest.mark.parametrize("name", FORMATS)
def test_a_few_damaged_files(name, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "_own", [])
    _, refused, failed = run(name, 0, 20, tmp_path)
    assert not failed, "\n".join(failed)
    assert refused


def test_mutations_are_the_same_each_time_and_change_nearly_every_file():
    content = bytes(range(256)) * 4
    assert [mutated(content, seed) for seed in range(50)] == [mutated(content, seed) for seed in range(50)]
    assert sum(mutated(content, seed) != content for seed in range(500)) > 450


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FORMATS)
def test_thousands_of_damaged_files(name, tmp_path):
    """Run in a process of its own, for a library may crash instead of raising."""
    mark = tmp_path / "seed"
    command = [sys.executable, "-m", "tests.fuzz", name, "--count", "5000", "--mark", str(mark)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {mark.read_text()}: {done.stdout[-3000:]} {done.stderr[-3000:]}"
