"""SIGTERM as batch systems send it, to the script or to all its processes: an orderly end within their grace."""

import os
import signal
import time

import psutil
import pytest

from tests.faults.session import Session, checkpoints, running

pytestmark = [pytest.mark.ray, pytest.mark.faults]
GOES_ON = "interrupted: the same command goes on from here"


def alive(session):
    """Processes of a session that run; a container may leave nobody to reap those that have ended."""
    return [each for each in session.processes() if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_sigterm_ends_a_sweep_in_time_and_it_goes_on(send, root, tmp_path):
    out = tmp_path / "out"
    small = ["--tasks", "ecg", "--trials", "1", "--epochs", "8", "--seeds", "1", "--preset", "laptop"]
    with Session(out, *small, "--data-root", root) as session:
        assert session.wait_for(lambda: ("pare-0000", 1) in checkpoints(out))
        start = time.monotonic()
        send(session.process.pid, signal.SIGTERM)
        code, said, errors = session.end()
        seconds = time.monotonic() - start
        while (left := alive(session)) and time.monotonic() - start < 45:
            time.sleep(0.2)
    assert (code, errors) == (143, "")
    assert said.splitlines()[-1] == GOES_ON
    assert seconds < 30
    assert left == []
    assert running(out) == [0]
