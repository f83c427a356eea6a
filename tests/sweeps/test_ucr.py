"""Sets of the UCR archive through the script: what is asked for where files are missing, and one small sweep."""

import pandas as pd
import pytest

import pare
from pare.commands import ucr
from pare.errors import RequestError
from pare.search.command import main
from pare.search.request import parse
from pare.tasks.ucr.sets import SETS, named
from tests.tasks.ucr import layout
from tests.tasks.ucr.layout import series


def _request(root, *arguments):
    return parse("ucr", "", [*arguments, "--data-root", str(root)], ucr.ArchiveSets)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], r"6 of 6 sets are missing: put Crop_TRAIN\.tsv and Crop_TEST\.tsv, or their \.ts, into .*/ucr/Crop, the"),
        (["--tasks", "all"], "128 of 128 sets are missing: put ACSF1_TRAIN.tsv"),
        (["--tasks", "coffee", "ucr-ecg200"], "2 of 2 sets are missing: put Coffee_TRAIN.tsv"),
        (["--tasks", "ecg"], "the UCR archive has no 'ecg': its 128 sets are called ucr-"),
    ],
)
def test_what_is_not_there_is_told_in_a_line(tmp_path, arguments, words):
    with pytest.raises(RequestError, match=words) as error:
        _request(tmp_path, *arguments).ready()
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_the_default_is_six_sets_of_different_kinds():
    kinds = [SETS[name].kind for name in ucr.PRESETS["laptop"].tasks]
    assert kinds == ["Image", "ECG", "EOG", "Motion", "Device", "Sensor"]


def test_nearest_neighbour_and_provenance_stand_in_the_leaderboard_and_the_model_takes_series(tmp_path):
    layout.write(tmp_path / "data" / "ucr" / "ECG200")
    small = ["--preset", "laptop", "--tasks", "ECG200", "--trials", "1", "--epochs", "1", "--seeds", "1"]
    options = ["--data-root", tmp_path / "data", "--out", tmp_path / "out", "--executor", "inline"]
    arguments = [*small, "--methods", "nft", *map(str, options)]
    assert main("ucr", ucr.__doc__, ucr.PRESETS, arguments, kind=ucr.ArchiveSets) == 0
    board = pd.read_parquet(tmp_path / "out" / "leaderboard.parquet").set_index("method")
    assert set(board.index) == {"nft", "constant", "1-NN", "1-NN, official train", "MiniRocket + ridge"}
    assert set(board.provenance) == {"real"}
    official = board.loc["1-NN, official train"]
    assert (official.published, official.comparable) == (12, "yes")
    (confirmed,) = pd.read_parquet(tmp_path / "out" / "ucr-ecg200" / "confirm.parquet").also
    assert dict(confirmed).keys() == {"1 - macro-F1"}
    x, _ = series(named("ECG200"))[1]
    assert pare.load(tmp_path / "out" / "ucr-ecg200" / "best").predict(x[:3]).shape == (3, 2)
