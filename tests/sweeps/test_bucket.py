"""The script with its results, and its data, in a bucket."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import ray

from pare import load
from pare.bucket import Folder
from pare.reporting import read
from tests.faults.kill import figures
from tests.faults.session import Session, frozen
from tests.sweeps.script import INLINE, sweep, told

SMALL = ["--tasks", "ecg", "--trials", "2", "--epochs", "2", "--seeds", "1", "--preset", "laptop"]


def same(one, two):
    """Whether two sweeps have the same tables, but for what the clock says."""
    for name in ("trials", "curves", "confirm", "published"):
        a, b = (figures(getattr(read(out), name)) for out in (one, two))
        pd.testing.assert_frame_equal(a, b)
    return True


def nothing_is_left_over(remote):
    found = remote.files()
    assert json.loads(remote.read(".owner"))["released"]
    return not [name for name in found if "/running/" in name or (name.startswith(".") and name != ".owner")]


@pytest.mark.ray
def test_a_sweep_in_a_bucket_leaves_what_one_in_a_directory_does(store_url, root, tmp_path, cache, capsys):
    remote, data = Folder(f"{store_url}/run"), Folder(f"{store_url}/data")
    for path in (root / "ecg" / "raw").iterdir():
        data.push(path, f"ecg/raw/{path.name}")
    assert sweep(*SMALL, "--out", remote.url, "--data-root", data.url) == 0
    said = capsys.readouterr()
    assert said.err == ""
    workspace = cache / "runs" / store_url.removeprefix("s3://") / "run"
    assert f"leaderboard.md: {remote}, a copy in {workspace}" in said.out
    assert sweep(*SMALL, *INLINE, "--out", tmp_path / "local", "--data-root", root) == 0
    remote.pull_folder("", tmp_path / "pulled")
    assert same(tmp_path / "pulled", tmp_path / "local")
    assert set(read(tmp_path / "pulled").trials.provenance) == {"real"}
    left = {path.relative_to(tmp_path / "local").as_posix() for path in (tmp_path / "local").glob("[!.]*")}
    assert left == {name.partition("/")[0] for name in remote.files()} - {".owner"}
    windows = np.random.default_rng(0).normal(size=(3, 1000))
    predicted = [load(tmp_path / place / "ecg" / "best").predict(windows) for place in ("pulled", "local")]
    assert np.allclose(*predicted, atol=1e-5)
    assert nothing_is_left_over(remote)
    assert [name for name in data.files() if name.endswith("meta.json")], "what was prepared is there for other nodes"


@pytest.mark.ray
@pytest.mark.faults
def test_a_lost_head_costs_time_only(store_url, root, cache):
    remote = Folder(f"{store_url}/run")
    longer = [*SMALL, "--data-root", root, "--max-concurrent", "1"]
    longer[longer.index("--epochs") + 1] = "3"
    with Session(remote.url, *longer) as session:
        assert session.wait_for(lambda: any("nft-0001/epoch-00001" in name for name in remote.files()))
        session.kill()
    begun = read(remote.workspace).trials.set_index("trial")
    shutil.rmtree(remote.workspace)
    assert sweep(*longer, "--out", remote.url) == 0
    ended = read(remote.workspace)
    assert [trial.state.name for trial in frozen(remote.workspace)] == ["COMPLETE", "COMPLETE"]
    assert list(ended.trials.trial) == ["pare-0000", "nft-0001"]
    assert ended.trials.set_index("trial").ended["pare-0000"] == begun.ended["pare-0000"], "it was not run again"
    for _, curve in ended.curves.groupby("trial"):
        assert list(curve.epoch) == [1, 2, 3]
        assert curve.seconds.is_monotonic_increasing, "it went on from its checkpoint"
    assert nothing_is_left_over(remote)


def test_no_bucket_is_told_before_anything_starts(store_url, cache, capsys):
    assert sweep(*SMALL, "--out", "s3://no-such-bucket/run") == 2
    assert "--out is 's3://no-such-bucket/run': there is no bucket no-such-bucket; give" in told(capsys)
    assert not ray.is_initialized()
    assert not cache.exists()


def test_no_bucket_of_data_is_told_too(store_url, tmp_path, capsys):
    assert sweep(*SMALL, "--out", tmp_path, "--data-root", "s3://no-such-bucket/data") == 2
    assert "--data-root is 's3://no-such-bucket/data': there is no bucket" in told(capsys)
    assert not (tmp_path / "sweep.json").exists()
