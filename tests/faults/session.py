"""One session of a sweep as a user starts it: a process of its own, with the Ray that it starts."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from subprocess import PIPE

import optuna
import psutil

from sweeps import nas360

SCRIPT = Path(nas360.__file__)
MARK = "PARE_SITTING"
"""An environment variable that Ray's processes inherit: by it they are found when their parents are gone."""

AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")


class Session:
    """The script under way. `out` is its --out; it ends with its context."""

    def __init__(self, out, *arguments, script=SCRIPT):
        self.out = Path(out)
        self._mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, script, *map(str, arguments), "--out", str(out)],
            stdout=PIPE,
            stderr=PIPE,
            text=True,
            env=os.environ | {MARK: self._mark, "COLUMNS": "80"},
            start_new_session=True,  # a process group of its own, as a terminal gives it
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def over(self):
        return self.process.poll() is not None

    def processes(self):
        """Its processes that live: descendants, and those that still bear its mark."""
        found = set(_descendants(self.process.pid))
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self._mark:
                    found.add(process)
            except psutil.Error:
                continue
        return [process for process in found if _lives(process)]

    def wait_for(self, condition, seconds=580):
        """Look often until the condition holds; returns whether it came to hold before the script ended."""
        until = time.monotonic() + seconds
        while not (met := condition()) and not self.over:
            assert time.monotonic() < until, "it never came to that"
            time.sleep(0.02)
        if not met:
            print(*self.end(), sep="\n")  # pytest shows it where the test fails
        return met

    def actors(self, name):
        """Ray's processes that run an actor of that class."""
        return workers(self.process.pid, name)

    def press_ctrl_c(self):
        """Send SIGINT to every process of the group, Ray's too, as a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self, seconds=580):
        """Wait for its end: exit code, what it said, and what it said of errors."""
        said, errors = self.process.communicate(timeout=seconds)
        return self.process.returncode, said, errors

    def kill(self, patience=15.0):
        """SIGKILL for the driver; returns its processes that are there after so many seconds, and how many it took.

        Ray's two agents are not waited for: they hold nothing, and go by themselves after a minute of calling for help.
        """
        everything = self.processes()
        left = [process for process in everything if not any(agent in _name(process) for agent in AGENTS)]
        self.process.kill()
        began = time.monotonic()
        while (left := [p for p in left if _lives(p)]) and time.monotonic() - began < patience:
            time.sleep(0.1)
        took, names = time.monotonic() - began, [_name(process) for process in left]
        for process in filter(_lives, everything):
            process.kill()
        self.process.communicate()
        return names, took


def workers(pid, name):
    """Ray's processes below that one that run an actor of a class."""
    return [process for process in _descendants(pid) if f"ray::{name}" in _name(process)]


def _descendants(pid):
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _lives(process):
    try:
        # A zombie waits for whoever reaps: it holds nothing.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _name(process):
    try:
        return " ".join(process.cmdline())[:80]
    except psutil.Error:
        return "?"


def frozen(out, task="ecg"):
    """The trials of a sweep's study; none before it has one."""
    if not (out / task / "study.db").exists():
        return []
    return optuna.load_study(study_name=task, storage=f"sqlite:///{out}/{task}/study.db").trials


def running(out, task="ecg"):
    """The numbers of the trials that the study holds for running."""
    return [trial.number for trial in frozen(out, task) if not trial.state.is_finished()]


def checkpoints(out, task="ecg"):
    """When the checkpoints that lie there were written: job and epoch → nanoseconds."""
    found = {}
    for path in (out / task / "running").glob("*/epoch-*.safetensors"):
        try:
            # The runs after the search, here confirmations, have folders named by their configuration.
            job = re.sub(r"^final-(.+)-(\d+)-\w+$", r"confirm-\1-\2", path.parent.name)
            found[job, int(path.stem.removeprefix("epoch-"))] = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue
    return found
