"""Tables of OpenML through the script: what is asked for where files are missing, and one small sweep without any."""

import numpy as np
import pandas as pd
import pytest

import pare
from pare import tasks
from pare.commands import openml_cc18
from pare.errors import RequestError
from pare.search.command import main
from pare.search.request import parse
from pare.tasks.openml import tables


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(tasks, "_own", [])


def _request(root, *arguments):
    return parse("openml_cc18", "", [*arguments, "--data-root", str(root)], openml_cc18.OpenMLTables)


def test_help_is_the_page(capsys):
    assert parse("openml_cc18", openml_cc18.__doc__, ["--help"], openml_cc18.OpenMLTables) is None
    text = capsys.readouterr().out
    assert "Gradient boosting" in text
    assert "--download" in text


def test_the_laptops_tables_need_no_file(tmp_path):
    assert _request(tmp_path, "--preset", "laptop").ready().tasks == tables.OFFLINE
    assert {path.name for path in tmp_path.iterdir()} == set(tables.OFFLINE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--preset", "paper"], r"27 of 30 files are missing: put dataset_14\.pq from https://data\.openml\.org"),
        (["--tasks", "openml-car", "openml-wdbc"], r"1 of 2 files are missing: put dataset_40975\.pq"),
        (["--tasks", "ecg"], "--tasks is 'ecg': choose from openml-balance-scale"),
    ],
)
def test_what_cannot_be_made_is_told_in_a_line(tmp_path, arguments, words):
    with pytest.raises(RequestError, match=words) as error:
        _request(tmp_path, *arguments).ready()
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_boosting_and_provenance_stand_in_the_leaderboard_and_the_model_takes_rows(tmp_path):
    out = tmp_path / "out"
    small = ["--preset", "laptop", "--tasks", "openml-balance-scale", "--trials", "1", "--epochs", "1", "--seeds", "1"]
    options = ["--data-root", tmp_path / "data", "--out", out, "--executor", "inline"]
    arguments = [*small, *map(str, options)]
    code = main("openml_cc18", openml_cc18.__doc__, openml_cc18.PRESETS, arguments, kind=openml_cc18.OpenMLTables)
    assert code == 0
    board = pd.read_parquet(out / "leaderboard.parquet")
    assert set(board.method) == {"pare", "constant", "gradient boosting"}
    assert set(board.provenance) == {"real"}
    assert set(board.direction) == {"maximize"}
    rows = pd.DataFrame(
        {name: [1.0, np.nan] for name in ("left-weight", "left-distance", "right-weight", "right-distance")}
    )
    probabilities = pare.load(out / "openml-balance-scale" / "best").predict(rows)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
