import pandas as pd
import pyarrow.parquet as pq
import pytest

from pare.config import Run
from pare.errors import DataError
from pare.reporting import read
from pare.reporting.scalars import FIGURES
from pare.reporting.tables import Tables
from tests.reporting.fakes import figures, record, run


def finished(out):
    tables = Tables(out)
    run(tables, record())
    tables.close()


def test_every_column_says_what_it_means(tmp_path):
    tables = Tables(tmp_path)
    run(tables, record())
    run(tables, record("confirm-pare-0", purpose="confirm", test=0.4))
    tables.close()
    for table in ("trials", "curves", "confirm"):
        schema = pq.read_schema(tmp_path / "ecg" / f"{table}.parquet")
        assert all(field.metadata[b"description"] and b"unit" in field.metadata for field in schema)
    assert b"macro-F1, lower is better" in schema.metadata[b"metric"]


def test_settings_keep_their_types(tmp_path):
    finished(tmp_path)
    schema = pq.read_schema(tmp_path / "ecg" / "trials.parquet")
    names = {name.removeprefix("config.") for name in schema.names if name.startswith("config.")}
    assert names == set(Run.from_flat(record().config).flat())
    kinds = ["config.optimizer.batch", "config.optimizer.lr.body", "config.curriculum.family", "started"]
    assert [str(schema.field(name).type) for name in kinds] == ["int64", "double", "string", "timestamp[us, tz=UTC]"]


def test_reading_joins_the_tasks(tmp_path):
    tables = Tables(tmp_path)
    run(tables, record(), epochs=3)
    run(tables, record(task="darcy", method="nft"), state="failed")
    run(tables, record("confirm-pare-0", purpose="confirm", test=0.4, seed=7, also={"false negatives": 40.0}))
    study = read(tmp_path)
    assert list(zip(study.trials.task, study.trials.state, strict=True)) == [("darcy", "failed"), ("ecg", "complete")]
    assert study.trials.ended.iloc[0] == pd.Timestamp("2026-01-02 03:05", tz="UTC")
    assert len(study.curves) == 2 + 3 + 2
    assert set(FIGURES) < set(study.curves.columns)
    assert study.curves.gate_mean.isna().all()
    assert study.curves.epoch.dtype == "int64"
    confirm = study.confirm.iloc[0]
    assert (confirm.validation, confirm.test, confirm.seed, confirm.gpu_hours) == (0.5, 0.4, 7, 0.25)
    assert confirm.also == {"false negatives": 40.0}


def test_reading_before_any_confirmation_gives_an_empty_table(tmp_path):
    Tables(tmp_path).begin(record())
    study = read(tmp_path)
    assert study.trials.state.tolist() == ["running"]
    assert study.confirm.empty
    assert "config.gate.threshold" in study.confirm.columns


def test_reading_where_no_sweep_is(tmp_path):
    with pytest.raises(DataError, match=r"holds no trials\.parquet"):
        read(tmp_path)


def test_a_sweep_that_has_no_trial_yet_has_empty_tables(tmp_path):
    (tmp_path / "sweep.json").touch()
    assert read(tmp_path).trials.empty


def test_a_resumed_sweep_keeps_what_was_there(tmp_path):
    first = Tables(tmp_path)
    run(first, record())
    run(first, record("confirm-pare-0", purpose="confirm", test=0.4, also={"false negatives": 40.0}))
    again = Tables(tmp_path)
    run(again, record("pare-0001"))
    run(again, record("confirm-pare-1", purpose="confirm", test=0.5))
    study = read(tmp_path)
    assert study.trials.trial.tolist() == ["pare-0000", "pare-0001"]
    assert study.curves.groupby("trial").size().to_dict() == {
        "pare-0000": 2,
        "pare-0001": 2,
        "confirm-pare-0": 2,
        "confirm-pare-1": 2,
    }
    assert study.confirm.also.tolist() == [{"false negatives": 40.0}, {}]


def test_a_trial_that_begins_again_replaces_its_row_and_goes_on_from_its_epoch(tmp_path):
    run(Tables(tmp_path), record(), epochs=4, metric=0.5)
    again, one = Tables(tmp_path), record()
    again.begin(one)
    assert read(tmp_path).trials.state.tolist() == ["running"]
    again.epoch(one, figures(3, metric=0.25))
    again.end(one)
    study = read(tmp_path)
    assert len(study.trials) == 1
    assert study.curves.epoch.tolist() == [1, 2, 3]
    assert study.curves.val_metric.tolist() == [0.5, 0.5, 0.25]


def test_the_curve_of_a_confirmation_begins_with_the_epochs_of_its_race(tmp_path):
    tables = Tables(tmp_path)
    run(tables, record())
    run(tables, record("race-pare-0000-1", purpose="race"), epochs=3, metric=0.5)
    name = "confirm-pare-1"
    one = record(name, purpose="confirm", continues="race-pare-0000-1")
    tables.begin(one)
    tables.epoch(one, figures(3, metric=0.5))  # its checkpoint repeats the last report
    again = Tables(tmp_path)
    again.begin(one)
    again.epoch(one, figures(4, metric=0.25))
    curves = read(tmp_path).curves
    curve = curves[curves.trial == name]
    assert (curve.epoch.tolist(), curve.val_metric.tolist()) == ([1, 2, 3, 4], [0.5, 0.5, 0.5, 0.25])
    assert set(curve.purpose) == {"confirm"}
    assert set(curves[curves.trial == "race-pare-0000-1"].purpose) == {"race"}
    again.epoch(one, figures(1, metric=0.5))
    begun_anew = read(tmp_path).curves
    assert begun_anew[begun_anew.trial == name].epoch.tolist() == [1]


def test_a_sweep_that_ended_leaves_a_file_a_table(tmp_path):
    finished(tmp_path)
    assert sorted(path.name for path in (tmp_path / "ecg").iterdir()) == ["curves.parquet", "trials.parquet"]


def test_a_damaged_table_is_named(tmp_path):
    finished(tmp_path)
    path = tmp_path / "ecg" / "curves.parquet"
    path.write_bytes(path.read_bytes()[:100])
    for attempt in (lambda: Tables(tmp_path), lambda: read(tmp_path)):
        with pytest.raises(DataError, match=r"curves\.parquet is damaged") as error:
            attempt()
        assert "\n" not in str(error.value)
