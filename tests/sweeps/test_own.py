"""Through the script: digits, saved by two lines, and a table of real numbers; small sweeps whose models predict."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_digits

import pare
from pare import tasks
from pare.commands import own
from pare.errors import RequestError
from pare.reporting import read
from pare.search.command import main
from pare.search.request import parse

_PREDICT = "import sys, numpy as np, pare; np.save(sys.argv[3], pare.load(sys.argv[1]).predict(np.load(sys.argv[2])))"


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(tasks, "_own", [])


def test_help_is_the_page_and_tells_the_options_of_both(capsys):
    assert parse("own", own.__doc__, ["--help"], own.Own) is None
    text = capsys.readouterr().out
    assert "--label" in text
    assert "--max-usd" in text


def test_requests_without_data_or_of_another_task_are_refused(tmp_path):
    for arguments, words in (
        ([], "--data is missing"),
        (["--data", "x.npz", "--tasks", "ecg"], "--tasks is ecg"),
        (["--data", "x.npz", "--name", "ecg"], "--name is 'ecg'"),
        (["--data", "x.npz", "--name", "openml-car"], "--name is 'openml-car'"),
        (["--data", str(tmp_path / "x.npz")], "does not exist"),
    ):
        request = parse("own", "", [*arguments, "--data-root", str(tmp_path)], own.Own)
        with pytest.raises(RequestError, match=words):
            request.ready()


@pytest.mark.ray
def test_a_sweep_ends_with_a_model_that_predicts_elsewhere(tmp_path, capsys):
    x, y = load_digits(return_X_y=True)
    chosen = slice(0, 300)
    np.savez(tmp_path / "digits.npz", x=x[chosen, :48], y=y[chosen])
    out = tmp_path / "out"
    options = ["--data", tmp_path / "digits.npz", "--data-root", tmp_path / "data", "--out", out]
    small = ["--preset", "laptop", "--trials", "1", "--epochs", "1", "--seeds", "1", "--source", "signals"]
    assert main("own", own.__doc__, own.PRESETS, [*map(str, options), *small], kind=own.Own) == 0
    assert "logistic regression" in (out / "leaderboard.md").read_text()
    said = capsys.readouterr().out
    assert "own: what was read" in said
    assert "classification" in said
    assert set(read(out).trials.state) <= {"complete", "pruned"}

    np.save(tmp_path / "x.npy", x[:5, :48])
    arguments = [out / "own" / "best", tmp_path / "x.npy", tmp_path / "p.npy"]
    subprocess.run([sys.executable, "-c", _PREDICT, *map(str, arguments)], check=True, env={"PATH": "/usr/bin:/bin"})
    probabilities = np.load(tmp_path / "p.npy")
    np.testing.assert_allclose(probabilities, pare.load(out / "own" / "best").predict(x[:5, :48]), atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)


def test_a_table_of_real_numbers_is_predicted_in_their_units(tmp_path, capsys):
    frame = load_diabetes(as_frame=True).frame
    frame["sex"] = np.where(frame["sex"] > 0, "m", "f")
    frame.to_csv(tmp_path / "diabetes.csv", index=False)
    out = tmp_path / "out"
    options = ["--data", tmp_path / "diabetes.csv", "--data-root", tmp_path / "data", "--out", out]
    small = ["--preset", "laptop", "--trials", "1", "--epochs", "2", "--seeds", "1", "--executor", "inline"]
    options += ["--metric", "r2", "--kind", "regression"]
    assert main("own", own.__doc__, own.PRESETS, [*map(str, options), *small], kind=own.Own) == 0
    board = pd.read_parquet(out / "leaderboard.parquet").set_index("method")
    assert board.metric["pare"] == "1 - R²"
    assert board.test["ridge regression"] < 0.9
    assert board.test["constant"] == pytest.approx(1, abs=0.1)
    predictions = pare.load(out / "own" / "best").predict(frame[:40])
    assert predictions.shape == (40, 1)
    # Of patients whose disease progressed by 152 on average.
    assert predictions.mean() == pytest.approx(152, abs=40)
