"""A full disk ends the session in one line; once there is space the same command finishes."""

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess

import pytest

from pare.errors import is_disk_full
from pare.reporting import read
from tests.faults.session import Session, checkpoints, running

MOUNT, UMOUNT = shutil.which("mount"), shutil.which("umount")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 32 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or MOUNT is None or UMOUNT is None:
        pytest.skip("mounting a small file system needs root")
    if subprocess.run([MOUNT, "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a small file system")
    yield disk
    subprocess.run([UMOUNT, "--lazy", disk], check=True)


def fill(ballast):
    with ballast.open("wb", buffering=0) as file:
        for size in (2**20, 2**10, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


@pytest.mark.ray
@pytest.mark.faults
def test_a_full_disk_ends_the_sitting_and_space_lets_it_go_on(root, small_disk):
    out, ballast = small_disk / "out", small_disk / "ballast"
    small = ["--tasks", "ecg", "--trials", "1", "--epochs", "4", "--seeds", "1", "--preset", "laptop"]
    with Session(out, *small, "--max-concurrent", "1", "--data-root", root) as session:
        assert session.wait_for(lambda: ("pare-0000", 1) in checkpoints(out))
        fill(ballast)
        code, said, errors = session.end()
    assert code == 1, said
    assert errors.count("\n") == 1
    assert errors.startswith("nas360: ")
    assert errors.endswith(" is full: free some space; the same command goes on from here\n")
    ballast.unlink()
    assert running(out) == [0]
    with Session(out, *small, "--max-concurrent", "1", "--data-root", root) as session:
        code, _, errors = session.end()
    assert (code, errors) == (0, "")
    study = read(out)
    assert list(study.trials.state) == list(study.confirm.state) == ["complete"]
    assert list(study.curves.query("trial == 'pare-0000'").epoch) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (sqlite3.OperationalError("database or disk is full"), True),
        (OSError(errno.EACCES, "x"), False),
        (ValueError("the disk"), False),
    ],
)
def test_a_full_disk_is_known_from_whatever_it_caused(error, full):
    assert is_disk_full(error) is full
    outer = RuntimeError("the commit failed")
    outer.__cause__ = error
    assert is_disk_full(outer) is full
