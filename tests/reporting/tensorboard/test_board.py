"""TensorBoard as users start it: all runs are there although it may open fewer files than there are runs."""

import re
import resource
import subprocess
import time

import pytest

from pare.errors import RequestError
from pare.reporting.tensorboard import board
from pare.reporting.tensorboard.writer import TensorBoard
from tests.reporting.board import Board
from tests.reporting.fakes import DOMAINS, record, run

RUNS, OPEN_FILES = 150, 64


def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))


def test_every_run_is_shown_although_fewer_files_may_be_open(tmp_path):
    writer = TensorBoard(tmp_path, DOMAINS)
    for number in range(RUNS):
        run(writer, record(f"pare-{number:04}"), epochs=1)
    writer.flush()
    asked = [*board.command(tmp_path), "--port", "0"]
    with subprocess.Popen(asked, stderr=subprocess.PIPE, text=True, preexec_fn=few_files) as server:
        try:
            found = next(match for line in server.stderr if (match := re.search(r"at (http://\S+?)/? ", line)))
            shown = Board(found[1])
            deadline = time.monotonic() + 120
            while len(shown.tags()) < RUNS and time.monotonic() < deadline:
                time.sleep(0.2)
            assert len(shown.tags()) == RUNS
            assert len(shown.sessions()) == RUNS, "HParams shows every trial"
        finally:
            server.terminate()


def test_what_is_no_sweep_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"holds no TensorBoard runs"):
        board.command(tmp_path)
