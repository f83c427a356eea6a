"""A sweep made by an earlier version resumes and reads: version 0.1 left it, before modules and names were changed.

`fixtures/earlier_sweep` is its OUT after Ctrl-C in the third of four trials, without checkpoints and pictures;
`earlier_sweep.json` holds the figures with which the same version then ended it, but for those of the fourth trial,
which is another where the space has grown since; `earlier_confirm.parquet` its table
of confirmations. Made on the data of `conftest.RECIPES`
by `nas360.py --preset laptop --tasks ecg --trials 4 --epochs 2 --seeds 1 --max-concurrent 1`.
"""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from pare.config import Run
from pare.reporting import best_model, read, tables
from pare.search import command
from sweeps import nas360

FIXTURES = Path(__file__).with_name("fixtures")
OPTIONS = ["--preset", "laptop", "--tasks", "ecg", "--trials", "4", "--epochs", "2", "--seeds", "1"]


@pytest.fixture
def out(tmp_path):
    return shutil.copytree(FIXTURES / "earlier_sweep", tmp_path / "nas360")


def test_it_reads(out):
    found = read(out)
    assert list(found.trials.state) == ["complete", "complete", "running"]
    assert list(found.curves[found.curves.trial == "nft-0001"].epoch) == [1, 2]
    assert found.confirm.empty


def test_what_it_has_confirmed_is_not_confirmed_again(tmp_path):
    (tmp_path / "ecg").mkdir()
    shutil.copy(FIXTURES / "earlier_confirm.parquet", tmp_path / "ecg" / "confirm.parquet")
    rows = tables.load(tmp_path, "confirm").to_pylist(maps_as_pydicts="strict")
    runs = [best_model.run_of(row) for row in rows]
    assert [(run.method, run.seed, run.epochs) for run in runs] == [("pare", 1, 2), ("nft", 1, 2)]
    assert all(run.mix_share == Run(task="", data="", body="", source="", source_data="").mix_share for run in runs)


def test_it_resumes_to_the_end_that_it_would_have_had(out, root):
    before = read(out).trials
    arguments = [*OPTIONS, "--executor", "inline", "--out", str(out), "--data-root", str(root)]
    assert command.main("nas360", "", nas360.PRESETS, arguments) == 0
    assert len(pd.read_parquet(out / "ecg" / "baselines.parquet")) == 1, "which that version did not write"
    expected = json.loads((FIXTURES / "earlier_sweep.json").read_text())
    after = read(out)
    same = ["trial", "method", "state", "objective", "seconds", "started", "ended"]
    pd.testing.assert_frame_equal(after.trials[same][:2], before[same][:2])
    objectives = dict(zip(after.trials.trial, after.trials.objective, strict=True))
    assert list(objectives) == [*expected["trials"], "pare-0003"]
    assert {name: objectives[name] for name in expected["trials"]} == pytest.approx(expected["trials"])
    confirmed = {row.trial: [row.validation, row.test] for row in after.confirm.itertuples()}
    assert confirmed.keys() == {"confirm-pare-1", "confirm-nft-1"}
    assert all(confirmed[name] == pytest.approx(figures) for name, figures in expected["confirm"].items())
