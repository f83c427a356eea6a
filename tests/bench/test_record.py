"""What is drawn to be recorded, how a run is recorded, and the file that keeps it."""

import numpy as np
import pytest

from pare.errors import DataError
from pare.method import body
from pare.search.study import space
from tests.bench import problems, record
from tests.bench.replay import fakes


def test_a_run_is_validated_and_tested_on_samples_of_their_own(monkeypatch):
    small = problems.Problem(problems.digits, (16, 20, 30), {**problems.OWN, "body": "swin-mini", "source": "fractals"})
    monkeypatch.setitem(problems.PROBLEMS, "digits", small)
    monkeypatch.setitem(problems.OWN, "epochs", 2)
    ready = problems.Ready("digits", None)
    ready.base = ready.base.replace({"epochs": 2})
    of = space.for_run(ready.base, "2d")
    row, again = (record.row_of(ready, of, 0, seed=1) for _ in range(2))
    assert [len(row[name]) for name in ("val_metric", "val_loss", "seconds")] == [2, 2, 2]
    assert row["test"] == again["test"], "the same run"
    assert round(row["test"] * 30 / 100, 6).is_integer(), "an error of 30 samples"
    assert all(round(value * 20 / 100, 6).is_integer() for value in row["val_metric"]), "errors of 20"
    groups = [set(ready.data.split(name).group) for name in ("train", "val", "test")]
    assert len(set.union(*groups)) == sum(map(len, groups)) == 66


def test_recording_survives_its_file(tmp_path):
    written = fakes.recording(5)
    record.save(tmp_path / "ecg.parquet", written)
    read = record.load(tmp_path / "ecg.parquet")
    assert read == written
    assert np.all(np.diff(read.rows[0]["val_metric"]) < 0)


def test_damaged_recording_is_told_in_one_line(tmp_path):
    (tmp_path / "ecg.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"ecg\.parquet") as caught:
        record.load(tmp_path / "ecg.parquet")
    assert "\n" not in str(caught.value)


def test_a_body_at_hand_keeps_its_first_layers_where_a_run_says_so():
    ready = problems.Ready.__new__(problems.Ready)
    ready.body = body.load("roberta-mini", pretrained=False)
    with ready.at_hand():
        assert len(body.load("roberta-mini", layers=1).layers) == 1
    assert len(ready.body.layers) == 2
