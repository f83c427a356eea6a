"""A sweep made by an earlier version resumes and reads: version 0.1 left it, before rooms and names were changed.

`fixtures/earlier_sweep` is its OUT after Ctrl-C in the third of four trials, without checkpoints and pictures;
`earlier_sweep.json` holds the figures with which the same version then ended it. Made on the data of `conftest.RECIPES`
by `nas360.py --preset laptop --tasks ecg --trials 4 --epochs 2 --seeds 1 --max-concurrent 1`.
"""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from pare.reporting import read
from pare.search import command
from sweeps import nas360

FIXTURES = Path(__file__).with_name("fixtures")
OPTIONS = ["--preset", "laptop", "--tasks", "ecg", "--trials", "4", "--epochs", "2", "--seeds", "1"]


@pytest.fixture
def out(tmp_path):
    return shutil.copytree(FIXTURES / "earlier_sweep", tmp_path / "nas360")


def test_it_reads(out):
    tables = read(out)
    assert list(tables.trials.state) == ["complete", "complete", "running"]
    assert list(tables.curves[tables.curves.trial == "nft-0001"].epoch) == [1, 2]
    assert tables.confirm.empty


def test_it_resumes_to_the_end_that_it_would_have_had(out, root):
    before = read(out).trials
    arguments = [*OPTIONS, "--executor", "inline", "--out", str(out), "--data-root", str(root)]
    assert command.main("nas360", "", nas360.PRESETS, arguments) == 0
    assert len(pd.read_parquet(out / "ecg" / "baselines.parquet")) == 1, "which that version did not write"
    expected = json.loads((FIXTURES / "earlier_sweep.json").read_text())
    after = read(out)
    same = ["trial", "method", "state", "objective", "seconds", "started", "ended"]
    pd.testing.assert_frame_equal(after.trials[same][:2], before[same][:2])
    assert dict(zip(after.trials.trial, after.trials.objective, strict=True)) == pytest.approx(expected["trials"])
    confirmed = {row.trial: [row.validation, row.test] for row in after.confirm.itertuples()}
    assert confirmed.keys() == expected["confirm"].keys()
    assert all(confirmed[name] == pytest.approx(figures) for name, figures in expected["confirm"].items())
    assert dict(zip(after.published.trial, after.published.validation, strict=True)) == pytest.approx(
        expected["published"]
    )
