"""The script on real Ray, real files and real TensorBoard: what it leaves, and what it says of a bad request."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

import numpy as np
import optuna
import pandas as pd
import pytest
import ray

from pare import load, tasks
from pare.reporting import read
from pare.search import command
from sweeps import nas360

SCRIPT = Path(nas360.__file__)
SMALL = ["--trials", "4", "--epochs", "3", "--seeds", "1", "--preset", "laptop"]


def sweep(*arguments):
    return command.main("nas360", nas360.__doc__, nas360.PRESETS, [str(a) for a in arguments])


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
    table = [line for line in lines if line.startswith(("pare ", "nft ", "constant "))]
    assert len(table) == 6
    assert max(map(len, table)) <= 80


@pytest.mark.ray
@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_leaves_what_the_contract_names(finished, task):
    _, out = finished
    study = read(out)
    trials = study.trials[study.trials.task == task]
    assert len(trials) == 4
    assert set(trials.method) == {"pare", "nft"}
    assert set(trials.state) <= {"complete", "pruned"}
    assert set(trials.provenance) == {"real"}, "files in raw/ are taken for the official ones"
    curves = study.curves[study.curves.task == task]
    for _, trial in trials.iterrows():
        own = curves[curves.trial == trial.trial]
        assert list(own.epoch) == list(range(1, trial.epochs + 1))
        assert own.objective.iloc[-1] == trial.objective
    confirmed = study.confirm[study.confirm.task == task]
    assert set(confirmed.method) == {"pare", "nft"}
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
    assert {"pare", "nft", "constant"} == set(board.method)
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
    assert sweep("--tasks", "ecg", *more) == 0
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
    assert sweep("--plan", "--tasks", "ecg", *SMALL, "--out", out, "--data-root", root) == 0
    assert "0.00" in capsys.readouterr().out, "everything asked for has been done"
    assert read(out).trials.equals(before.trials)


@pytest.mark.ray
def test_a_budget_ends_a_sweep_well_and_a_larger_one_goes_on(root, tmp_path, capsys):
    arguments = ["--tasks", "ecg", "--trials", "6", "--epochs", "3", "--seeds", "1", "--preset", "laptop"]
    places = ["--out", tmp_path, "--data-root", root]
    assert sweep(*arguments, *places, "--max-hours", "0.0005") == 0
    assert "budget reached: --max-hours 0.0005" in capsys.readouterr().out
    first = read(tmp_path)
    assert len(first.trials) < 6
    assert set(first.trials.state) <= {"complete", "pruned"}
    assert sweep(*arguments, *places, "--max-hours", "5") == 0
    assert len(read(tmp_path).trials) == 6
    assert set(read(tmp_path).confirm.method) == {"pare", "nft"}
    frozen = optuna.load_study(study_name="ecg", storage=f"sqlite:///{tmp_path}/ecg/study.db").trials
    assert all(trial.state.is_finished() for trial in frozen)


@pytest.mark.ray
def test_a_cap_in_dollars_needs_prices(root, tmp_path, capsys):
    assert sweep("--tasks", "ecg", *SMALL, "--max-usd", "5", "--out", tmp_path, "--data-root", root) == 2
    assert "--max-usd is 5: nobody knows the price of" in told(capsys)


@pytest.mark.ray
def test_another_sweep_in_the_same_place_is_refused(finished, root, capsys):
    _, out = finished
    other = [*SMALL, "--out", out, "--data-root", root, "--tasks", "ecg", "--seed", "3"]
    assert sweep(*other) == 2
    assert "it holds a sweep of other seed" in told(capsys)


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
    assert sweep(*arguments) == 0
    trials = read(out).trials
    assert sorted(trials.trial) == ["nft-0001", "pare-0000", "pare-0002"]
    assert set(trials.state) <= {"complete", "pruned"}
    curves = read(out).curves
    for _, trial in trials.iterrows():
        assert list(curves[curves.trial == trial.trial].epoch) == list(range(1, trial.epochs + 1))
    assert set(begun.trial) <= set(trials.trial)


def told(capsys):
    """The one line on the error stream."""
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith("nas360: ")
    return line


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--tasks", "mnist"], "'mnist': choose from cifar100,"),
        (["--preset", "huge"], '"huge"'),
        (["--trials", "x"], '"x"'),
        (["--out", "/dev/null/runs"], "'/dev/null/runs': Not a directory; give a directory that can be written"),
    ],
)
def test_a_wrong_request_ends_before_ray_starts(arguments, named, capsys, tmp_path):
    assert (
        sweep("--data-root", tmp_path, *(arguments if "--out" in arguments else [*arguments, "--out", tmp_path])) == 2
    )
    assert named in told(capsys)
    assert not ray.is_initialized()


@pytest.mark.ray
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--workers-per-trial", "4096"], "--workers-per-trial is 4096"),
        (["--gpus-per-trial", "64"], "--gpus-per-trial is 64"),
        (["--max-concurrent", "4096"], "--max-concurrent is 4096"),
    ],
)
def test_more_than_the_cluster_has_is_refused(arguments, named, capsys, root, tmp_path):
    assert sweep("--tasks", "ecg", *SMALL, *arguments, "--out", tmp_path, "--data-root", root) == 2
    assert named in told(capsys)
    assert not (tmp_path / "ecg").exists()


def missing(raw):
    (raw / tasks.get("darcy").files[1]).unlink()


def truncated(raw):
    path = raw / tasks.get("darcy").files[0]
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.ray
@pytest.mark.parametrize("damage", [missing, truncated])
def test_bad_data_files_are_named(damage, capsys, root, tmp_path):
    raw = tmp_path / "data" / "darcy" / "raw"
    raw.mkdir(parents=True)
    for name in tasks.get("darcy").files:
        (raw / name).write_bytes((root / "darcy" / "raw" / name).read_bytes())
    damage(raw)
    assert sweep("--tasks", "darcy", *SMALL, "--out", tmp_path / "out", "--data-root", tmp_path / "data") == 2
    assert "piececonst_r421_N1024_smooth" in told(capsys)
    assert not list((tmp_path / "out").rglob("*.parquet"))


@pytest.mark.ray
def test_a_pickle_with_more_than_arrays_is_refused_and_not_run(capsys, tmp_path):
    raw = tmp_path / "data" / "ecg" / "raw"
    raw.mkdir(parents=True)
    trap = tmp_path / "sprung"
    # As a malicious file would: os.system("touch …") when unpickled.
    (raw / "challenge2017.pkl").write_bytes(b"cposix\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR.")
    assert sweep("--tasks", "ecg", *SMALL, "--out", tmp_path / "out", "--data-root", tmp_path / "data") == 2
    line = told(capsys)
    assert "challenge2017.pkl" in line
    assert "posix.system" in line
    assert not trap.exists()


@pytest.mark.ray
def test_a_source_that_does_not_fit_the_body_is_refused(capsys, root, tmp_path):
    assert sweep("--tasks", "ecg", *SMALL, "--source", "fractals", "--out", tmp_path, "--data-root", root) == 2
    assert "source is 'fractals'" in told(capsys)
    assert not (tmp_path / "ecg").exists()


@pytest.mark.ray
def test_a_body_brings_its_own_source(root, tmp_path):
    few = ["--trials", "1", "--epochs", "1", "--seeds", "1", "--preset", "laptop"]
    assert sweep("--tasks", "ecg", *few, "--body", "roberta-mini-text", "--out", tmp_path, "--data-root", root) == 0
    kept = json.loads((tmp_path / "ecg" / "best" / "run.json").read_text())["run"]
    assert (kept["body"], kept["source"]) == ("roberta-mini-text", "text")


@pytest.mark.ray
@pytest.mark.parametrize(
    ("body", "named"), [("swin-mini", "spatial_shape (1000,) for a Swin body"), ("nobody/none", "body 'nobody/none'")]
)
def test_a_body_that_does_not_fit_or_is_not_there_is_refused(body, named, capsys, root, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert sweep("--tasks", "ecg", *SMALL, "--body", body, "--out", tmp_path, "--data-root", root) == 2
    assert named in told(capsys)
    assert not (tmp_path / "ecg").exists()


@pytest.mark.ray
def test_no_data_for_the_paper_preset_says_what_to_put_where(capsys, tmp_path):
    assert sweep("--preset", "paper", "--tasks", "ecg", "--out", tmp_path / "o", "--data-root", tmp_path / "d") == 2
    assert "challenge2017.pkl" in told(capsys)
