"""SIGTERM ends a sweep as Ctrl-C does, with a code of its own, also where a library has taken the signal."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from pare.search import command, interruption
from pare.search.request import Request


class _Slow(Request):
    """Is told to end while it is made ready."""

    def ready(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
        raise AssertionError("it went on")


class _Broken(Request):
    """Is told to end, and then something that the signal has hit too fails."""

    def ready(self):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)
        except KeyboardInterrupt:
            raise RuntimeError("a part is gone") from None


@pytest.mark.parametrize("kind", [_Slow, _Broken])
def test_it_ends_like_ctrl_c_with_a_code_of_its_own(kind, capsys):
    before = signal.getsignal(signal.SIGTERM)
    assert command.main("sweep", "", {}, [], kind=kind) == 143
    assert capsys.readouterr().out == f"{interruption.GOES_ON}\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_it_ends_too_where_a_script_started_it_in_the_background():
    """A shell without job control lets such processes ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert command.main("sweep", "", {}, [], kind=_Slow) == 143
    finally:
        signal.signal(signal.SIGINT, before)


def test_one_that_ended_in_time_is_not_ended_again(monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(interruption, "_GRACE", 0.3)
    monkeypatch.setattr(interruption, "_end", ended.set)
    assert command.main("sweep", "", {}, [], kind=_Slow) == 143
    assert not ended.wait(1.0)


def test_ctrl_c_keeps_its_code(capsys):
    class Pressed(Request):
        def ready(self):
            raise KeyboardInterrupt

    assert command.main("sweep", "", {}, [], kind=Pressed) == 130


def test_what_does_not_end_is_ended_in_time():
    stuck = """
import time
from pare.search import interruption
interruption._GRACE = 0.5
with interruption.sigterm_as_ctrl_c():
    said = False
    while True:
        try:
            if not said:
                said = True
                print("ready", flush=True)
            time.sleep(1)
        except KeyboardInterrupt:
            pass
"""
    with subprocess.Popen([sys.executable, "-c", stuck], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        said, _ = process.communicate(timeout=20)
    assert (process.returncode, said) == (143, f"{interruption.GOES_ON}\n")
