"""A sweep with a budget of training labels: what it says, what it leaves, and that another budget is another sweep."""

import json

import pandas as pd
import pytest

from pare import tasks
from pare.data import baselines, labels, store
from tests.sweeps.script import INLINE, sweep, told

OPTIONS = ("--preset", "laptop", "--tasks", "ecg", "--methods", "nft", "--trials", "1", "--seeds", "1", *INLINE)


@pytest.fixture(scope="module")
def out(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("labels")
    assert sweep(*OPTIONS, "--epochs", "1", "--labels", "12", "--out", out, "--data-root", root) == 0
    return out


def test_every_run_and_baseline_has_the_same_labels(out, root):
    tables = [pd.read_parquet(out / "ecg" / f"{name}.parquet") for name in ("trials", "confirm")]
    (key,) = {key for table in tables for key in table["config.data"]}
    assert labels.parse(key)[1] == labels.LabelBudget(12, 0)
    few = store.load(root, key)
    assert len(set(few.split("train").group)) == 12, "whole records, of one label each"
    constant = baselines.constant(tasks.get("ecg"), few)
    row = pd.read_parquet(out / "ecg" / "baselines.parquet").set_index("baseline").loc["constant"]
    assert (row.validation, row.test) == (constant.validation, constant.test)


def test_the_budget_stands_where_results_are_read(out):
    assert set(pd.read_parquet(out / "leaderboard.parquet").labels) == {12}
    for page in ("leaderboard.md", "report.html", "ecg/best/README.md"):
        assert "raining labels: 12, the rest unused" in (out / page).read_text(), page
    assert json.loads((out / "sweep.json").read_text())["request"]["labels"] == 12
    assert "--labels 12" in (out / "report.html").read_text()


@pytest.mark.parametrize("other", [["--labels", "13"], []])
def test_another_budget_is_another_sweep(out, root, capsys, other):
    assert sweep(*OPTIONS, "--epochs", "1", *other, "--out", out, "--data-root", root) == 2
    line = told(capsys)
    assert "it holds a sweep of other settings of ecg" in line
    assert "-12-labels-0, now " in line
    assert "give another, or start anew with --fresh" in line


def test_few_labels_get_as_many_updates(root, tmp_path, capsys):
    assert sweep(*OPTIONS, "--labels", "12", "--plan", "--out", tmp_path, "--data-root", root) == 0
    said = capsys.readouterr().out
    assert "ecg: 12 of 48 training labels, " in said
    assert " epochs instead of " in said


def test_more_than_there_are_is_refused(root, tmp_path, capsys):
    assert sweep(*OPTIONS, "--labels", "5000", "--out", tmp_path, "--data-root", root) == 2
    assert "--labels is 5000: ecg has 48 training groups, of " in told(capsys)
    assert not (tmp_path / "ecg").exists()
