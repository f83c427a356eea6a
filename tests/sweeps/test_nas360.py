"""The script on a real Ray, with real files and real TensorBoard: what it leaves, and what it goes on from."""

import json
import os
import subprocess
import sys

import numpy as np
import optuna
import pandas as pd
import pytest
import ray

from pare import load
from pare.reporting import read
from tests.sweeps.script import INLINE, SCRIPT, SMALL, sweep, told


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    """A finished sweep of both tasks, run as a user would."""
    out = tmp_path_factory.mktemp("runs") / "nas360"
    arguments = ["--tasks", "ecg", "darcy", *SMALL, "--out", out, "--data-root", root]
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, env=os.environ | {"COLUMNS": "80"}
    )
    return done, out


@pytest.mark.ray
def test_ends_well_and_says_only_what_it_should(finished):
    done, out = finished
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "preset laptop: as asked for"
    assert lines[-1] == f"compare the trials: tensorboard --load_fast false --logdir {out / 'tb'}"
    table = [line for line in lines if line.startswith(("pare  ", "nft  ", "constant  "))]
    assert len(table) == 6
    assert max(map(len, table)) <= 80


@pytest.mark.ray
@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_leaves_what_the_contract_names(finished, task):
    _, out = finished
    study = read(out)
    trials = study.trials[study.trials.task == task]
    assert len(trials) == 4
    assert set(trials.method) == {"pare", "nft", "cutmix"}
    assert set(trials.state) <= {"complete", "pruned"}
    assert set(trials.provenance) == {"real"}, "files in raw/ are taken for the official ones"
    curves = study.curves[study.curves.task == task]
    for _, trial in trials.iterrows():
        own = curves[curves.trial == trial.trial]
        assert list(own.epoch) == list(range(1, trial.epochs + 1))
        assert own.objective.iloc[-1] == trial.objective
    confirmed = study.confirm[study.confirm.task == task]
    assert set(confirmed.method) == {"pare", "nft", "cutmix"}
    assert set(confirmed.seed) == {1}
    assert confirmed.test.notna().all()
    frozen = optuna.load_study(study_name=task, storage=f"sqlite:///{out}/{task}/study.db").trials
    states = {"complete": "COMPLETE", "pruned": "PRUNED"}
    assert [t.state.name for t in frozen] == [states[s] for s in trials.sort_values("started").state]
    for name in trials.trial:
        assert list((out / "tb" / task / name).glob("events.out.tfevents.*"))
    assert list((out / "tb" / task).glob("events.out.tfevents.*"))
    assert not (out / task / "running").exists()
    assert not (out / ".ray").exists()


@pytest.mark.ray
def test_the_request_is_on_record(finished):
    _, out = finished
    record = json.loads((out / "sweep.json").read_text())
    assert record["request"]["trials"] == 4
    assert record["versions"]["ray"] == ray.__version__
    assert record["base"]["ecg"]["epochs"] == 3
    board = pd.read_parquet(out / "leaderboard.parquet")
    assert set(board.task) == {"ecg", "darcy"}
    assert {"pare", "nft", "cutmix", "constant"} == set(board.method)
    assert "real" in (out / "leaderboard.md").read_text()


@pytest.mark.ray
def test_the_model_that_is_kept_predicts(finished):
    _, out = finished
    probabilities = load(out / "ecg" / "best").predict(np.random.default_rng(0).normal(size=(3, 1000)))
    assert probabilities.shape == (3, 4)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    coefficient = np.where(np.random.default_rng(0).random((2, 85, 85)) > 0.5, 12.0, 3.0)
    assert load(out / "darcy" / "best").predict(coefficient).shape == (2, 85, 85)


@pytest.mark.ray
def test_the_same_command_again_does_nothing_and_a_larger_one_extends(finished, root, capsys):
    _, out = finished
    before = read(out)
    assert sweep("--tasks", "ecg", "darcy", *SMALL, "--out", out, "--data-root", root) == 0
    assert read(out).trials.equals(before.trials)
    assert read(out).confirm.equals(before.confirm)
    more = [*SMALL, "--out", out, "--data-root", root]
    more[more.index("--trials") + 1] = "5"
    assert sweep("--tasks", "ecg", *more, *INLINE) == 0
    assert not ray.is_initialized()
    after = read(out).trials
    assert len(after[after.task == "ecg"]) == 5
    assert len(after[after.task == "darcy"]) == 4


@pytest.mark.ray
def test_a_plan_starts_nothing(finished, root, tmp_path, capsys):
    _, out = finished
    before = read(out)
    assert sweep("--plan", "--tasks", "ecg", *SMALL, "--out", tmp_path / "new", "--data-root", root) == 0
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines() if line.split()[:2] == ["ecg", "real"])
    assert row.split()[2] == "4"
    assert "unknown" in row, "nobody knows what this machine costs"
    assert not list((tmp_path / "new").rglob("*.parquet"))
    assert not (tmp_path / "new" / "sweep.json").exists()
    assert sweep("--plan", "--tasks", "ecg", *SMALL, *INLINE, "--out", out, "--data-root", root) == 0
    assert "0.00" in capsys.readouterr().out, "everything asked for has been done"
    assert read(out).trials.equals(before.trials)


@pytest.mark.ray
def test_another_sweep_in_the_same_place_is_refused(finished, root, capsys):
    _, out = finished
    other = [*SMALL, "--out", out, "--data-root", root, "--tasks", "ecg", "--seed", "3"]
    assert sweep(*other) == 2
    assert "it holds a sweep of other seed" in told(capsys)
    assert not ray.is_initialized()


def test_a_body_brings_its_own_source(root, tmp_path):
    few = ["--trials", "1", "--epochs", "1", "--seeds", "1", "--preset", "laptop", "--body", "roberta-mini-text"]
    assert sweep("--tasks", "ecg", *few, *INLINE, "--out", tmp_path, "--data-root", root) == 0
    kept = json.loads((tmp_path / "ecg" / "best" / "run.json").read_text())["run"]
    assert (kept["body"], kept["source"]) == ("roberta-mini-text", "text")
