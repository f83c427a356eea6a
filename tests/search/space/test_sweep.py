"""A sweep over a space of the user's own, in this process: what it leaves, and what it goes on with."""

import json

import pytest

from pare.reporting import read
from pare.search import command
from pare.search.space import changes
from pare.search.space.changes import Choices, Interval
from sweeps import nas360
from tests.reporting.board import board

SMALL = ["--tasks", "ecg", "--methods", "nft", "--epochs", "1", "--seeds", "1", "--preset", "laptop"]
OWN = ["--set", "tuning.layer_decay=0.9", "--search", "optimizer.batch=16,32", "tuning.drop_path=0:0.3"]


@pytest.fixture(scope="module")
def run(root, tmp_path_factory):
    """Run a sweep of `trials` in one directory."""
    out = tmp_path_factory.mktemp("runs") / "out"

    def sweep(trials, *words):
        places = ["--out", str(out), "--data-root", str(root), "--executor", "inline", "--trials", str(trials)]
        return command.main("nas360", nas360.__doc__, nas360.PRESETS, [*SMALL, *places, *words])

    sweep.out = out
    assert sweep(3, *OWN) == 0
    return sweep


def test_tables_tensorboard_and_report_show_what_was_added(run):
    trials = read(run.out).trials
    assert len(trials) == 3
    assert set(trials["config.optimizer.batch"]) <= {16, 32}
    assert set(trials["config.tuning.layer_decay"]) == {0.9}
    assert trials["config.tuning.drop_path"].nunique() > 1
    with board(run.out / "tb") as shown:
        infos = {each["name"]: each for each in shown.experiment()["hparamInfos"]}
    assert infos["optimizer.batch"]["domainDiscrete"] == [16.0, 32.0]
    assert infos["tuning.drop_path"]["domainInterval"] == {"minValue": 0.0, "maxValue": 0.3}
    assert "tuning.layer_decay" not in infos
    assert "tuning.drop_path" in (run.out / "report.html").read_text(encoding="utf-8")


def test_the_space_is_on_record_as_a_file_that_makes_it_again(run):
    record = changes.load(run.out / "ecg" / "space.toml")
    assert record.fixed == {"tuning.layer_decay": 0.9}
    assert record.searched["optimizer.batch"] == Choices((16, 32))
    assert record.searched["tuning.drop_path"] == Interval(0.0, 0.3, "linear")
    assert json.loads((run.out / "sweep.json").read_text())["space"]["ecg"] == changes.plain(record)
    assert run(3, "--space-file", str(run.out / "ecg" / "space.toml")) == 0, "the same space: there is nothing to do"
    assert len(read(run.out).trials) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*OWN[:3], "optimizer.batch=16,64", OWN[-1]], "its trials chose optimizer.batch from other values, 16,32 and"),
        ([*OWN[:-1], "tuning.drop_path=0.01:0.3:log"], "which Optuna cannot mix: give those, another --out"),
        ([*OWN, "--set", "optimizer.clip=1"], "settings of ecg (optimizer.clip 0.0, now 1.0); give another, or start"),
        ([*OWN, "num_hidden_layers=1,9"], "num_hidden_layers is 9: the body has 2 layers; give at most as many, or 0"),
        (["--set", "tuning.layer_decay=0.8", *OWN[2:]], "settings of ecg (tuning.layer_decay 0.9, now 0.8)"),
    ],
)
def test_what_cannot_be_mixed_is_told_in_one_line(run, words, said, capsys):
    before = {path: path.read_bytes() for path in run.out.rglob("*") if path.suffix in (".json", ".toml")}
    assert run(4, *words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert len(read(run.out).trials) == 3
    assert {path: path.read_bytes() for path in before} == before, "nothing is written for a refused request"


def test_a_wider_interval_a_new_dimension_and_a_fixed_one_go_on(run):
    words = ["--set", "optimizer.batch=16", "--search", "tuning.drop_path=0.2:0.5", "tuning.layer_decay=0.6:0.7"]
    assert run(4, *words, "optimizer.clip=0,1") == 0
    last = read(run.out).trials.set_index("trial").loc["nft-0003"]
    assert last["config.optimizer.batch"] == 16
    assert 0.2 <= last["config.tuning.drop_path"] <= 0.5
    assert 0.6 <= last["config.tuning.layer_decay"] <= 0.7
