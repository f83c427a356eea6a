"""Sweeps on a real Ray that a budget or Ctrl-C ends, and what the same command makes of them."""

import signal
import subprocess
import sys
import time
from subprocess import PIPE

import optuna
import pytest

from pare.reporting import read
from tests.sweeps.script import INLINE, SCRIPT, sweep, told


@pytest.mark.ray
def test_a_budget_ends_a_sweep_well_and_a_larger_one_goes_on(root, tmp_path, capsys):
    small = ["--tasks", "ecg", "--trials", "6", "--epochs", "3", "--seeds", "1", "--preset", "laptop"]
    arguments = [*small, "--methods", "pare"]
    places = ["--out", tmp_path, "--data-root", root]
    assert sweep(*arguments, *places, "--max-hours", "0.0005") == 0
    assert "budget reached: --max-hours 0.0005" in capsys.readouterr().out
    first = read(tmp_path)
    assert len(first.trials) < 6
    assert set(first.trials.state) <= {"complete", "pruned"}
    assert sweep(*arguments, *places, "--max-hours", "5", *INLINE) == 0
    assert len(read(tmp_path).trials) == 6
    assert set(read(tmp_path).confirm.method) == {"pare", "nft"}
    frozen = optuna.load_study(study_name="ecg", storage=f"sqlite:///{tmp_path}/ecg/study.db").trials
    assert all(trial.state.is_finished() for trial in frozen)


def interrupted(arguments, after):
    """Starts the script, presses Ctrl-C once `after` exists, and returns how it ended."""
    with subprocess.Popen(
        [sys.executable, SCRIPT, *map(str, arguments)], stdout=PIPE, stderr=PIPE, text=True
    ) as script:
        for _ in range(1200):
            if after.exists() or script.poll() is not None:
                break
            time.sleep(0.1)
        assert sweep(*arguments) == 2, "a second sweep in the same place is refused meanwhile"
        script.send_signal(signal.SIGINT)
        out, err = script.communicate(timeout=120)
    return script.returncode, out, err


@pytest.mark.ray
def test_ctrl_c_loses_nothing(root, tmp_path, capsys):
    out = tmp_path / "out"
    long = ["--trials", "3", "--epochs", "6", "--seeds", "1", "--preset", "laptop"]
    arguments = ["--tasks", "darcy", *long, "--out", out, "--data-root", root]
    code, said, errors = interrupted(arguments, after=out / "darcy" / "parts" / "curves-000001.jsonl")
    assert (code, errors) == (130, "")
    assert said.splitlines()[-1] == "interrupted: the same command goes on from here"
    assert "a sweep is at work there (process" in told(capsys)
    begun = read(out).trials
    assert sweep(*arguments, *INLINE) == 0
    trials = read(out).trials
    assert sorted(trials.trial) == ["cutmix-0002", "nft-0001", "pare-0000"]
    assert set(trials.state) <= {"complete", "pruned"}
    curves = read(out).curves
    for _, trial in trials.iterrows():
        assert list(curves[curves.trial == trial.trial].epoch) == list(range(1, trial.epochs + 1))
    assert set(begun.trial) <= set(trials.trial)
