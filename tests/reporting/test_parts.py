"""A table that grows holds, at any moment and whatever became of its writer, the last row of everything told."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pare.errors import DataError
from pare.reporting import parts
from pare.reporting.parts import GrowingTable, read

COLUMNS = pa.schema(
    [
        ("trial", pa.string()),
        ("state", pa.string()),
        ("value", pa.float64()),
        ("count", pa.int64()),
        ("when", pa.timestamp("us", tz="UTC")),
        ("also", pa.map_(pa.string(), pa.float64())),
    ]
)
CURVES = pa.schema([("trial", pa.string()), ("epoch", pa.int64()), ("value", pa.float64())])


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "ROWS", 3)


def rows(folder, name="curves", columns=CURVES):
    return read(folder, name, columns).to_pylist(maps_as_pydicts="strict")


def told(random, trials=5, count=40):
    """Reports of trials of which some go on from an earlier epoch, and the curves that remain."""
    curves = {}
    for number in range(count):
        trial = f"t{random.integers(trials)}"
        curve = curves.setdefault(trial, {})
        epoch = int(random.integers(1, len(curve) + 1)) if curve and random.random() < 0.2 else len(curve) + 1
        curves[trial] = {e: v for e, v in curve.items() if e < epoch} | {epoch: float(number)}
        yield (
            {"trial": trial, "epoch": epoch, "value": float(number)},
            [{"trial": t, "epoch": e, "value": v} for t, curve in curves.items() for e, v in curve.items()],
        )


@pytest.mark.parametrize("seed", range(5))
def test_curves_are_those_of_the_last_life_of_each_trial(tmp_path, seed):
    """Whoever reads, after every row; now and then the writer is another, or makes one file of all."""
    random, table = np.random.default_rng(seed), GrowingTable(tmp_path, "curves", CURVES)
    for row, expected in told(random):
        table.append(row)
        assert rows(tmp_path) == expected
        if random.random() < 0.1:
            table = GrowingTable(tmp_path, "curves", CURVES)
        elif random.random() < 0.1:
            table.close()
            assert [path.name for path in tmp_path.iterdir()] == ["curves.parquet"]
        assert rows(tmp_path) == expected


def test_values_come_back_as_they_were(tmp_path):
    table = GrowingTable(tmp_path, "trials", COLUMNS)
    when = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=5)))
    row = {"trial": "t", "state": "é\n", "value": 0.1 + 0.2, "count": 2**53 + 1, "when": when, "also": {"a": 1.0}}
    for trial, more in enumerate(({}, {"value": math.inf}, {"value": np.float32(0.5), "count": None}, {"also": {}})):
        table.append(row | more | {"trial": str(trial), "unknown": "left out"})
    found = rows(tmp_path, "trials", COLUMNS)
    assert [each["value"] for each in found] == [0.1 + 0.2, math.inf, 0.5, 0.1 + 0.2]
    assert [each["count"] for each in found] == [2**53 + 1, 2**53 + 1, None, 2**53 + 1]
    assert {each["when"] for each in found} == {when.astimezone(UTC)}
    assert [each["also"] for each in found] == [{"a": 1.0}, {"a": 1.0}, {"a": 1.0}, {}]
    table.close()
    assert rows(tmp_path, "trials", COLUMNS) == found


def test_a_writer_killed_in_mid_row_loses_that_row_only(tmp_path):
    table = GrowingTable(tmp_path, "curves", CURVES)
    for epoch in (1, 2):
        journal = table.append({"trial": "t", "epoch": epoch, "value": 0.5})
    whole = journal.read_bytes()
    for cut in range(1, len(whole.splitlines()[-1])):
        journal.write_bytes(whole[:-cut])
        assert [row["epoch"] for row in rows(tmp_path)] == [1]
    GrowingTable(tmp_path, "curves", CURVES).append({"trial": "t", "epoch": 2, "value": 0.7})
    assert [row["value"] for row in rows(tmp_path)] == [0.5, 0.7]


@pytest.mark.parametrize("seed", range(5))
def test_a_writer_killed_while_it_makes_one_file_loses_nothing(tmp_path, seed, monkeypatch):
    """After any of its steps: what it has not removed yet is read again."""
    table = GrowingTable(tmp_path, "curves", CURVES)
    reports = list(told(np.random.default_rng(seed)))
    for row, _ in reports:
        table.append(row)
    unlink, left = parts.Path.unlink, [0]

    def dies(path, **options):
        if "parts" in path.parts:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
        unlink(path, **options)

    monkeypatch.setattr(parts.Path, "unlink", dies)
    for left[0] in (0, 1, 2, 5):
        with pytest.raises(KeyboardInterrupt):
            table.close()
        assert rows(tmp_path) == reports[-1][1]


def test_a_writer_killed_before_it_removes_a_sealed_journal_counts_nothing_twice(tmp_path):
    table = GrowingTable(tmp_path, "curves", CURVES)
    journal = table.append({"trial": "t", "epoch": 1, "value": 0.5})
    table.append({"trial": "t", "epoch": 2, "value": 0.6})
    left = journal.read_bytes()
    sealed = table.append({"trial": "u", "epoch": 1, "value": 0.7})
    assert sealed.suffix == ".parquet"
    assert not journal.exists()
    journal.write_bytes(left)
    assert len(rows(tmp_path)) == 3


def test_a_table_of_other_columns_is_read(tmp_path):
    old = pa.table({"trial": ["t"], "value": pa.array([1], pa.int64()), "gone": [True]})
    pq.write_table(old, tmp_path / "trials.parquet")
    GrowingTable(tmp_path, "trials", COLUMNS).append({"trial": "u", "state": "running"})
    assert [(row["trial"], row["state"], row["value"]) for row in rows(tmp_path, "trials", COLUMNS)] == [
        ("t", None, 1.0),
        ("u", "running", None),
    ]


def test_a_damaged_part_is_named(tmp_path):
    journal = GrowingTable(tmp_path, "curves", CURVES).append({"trial": "t", "epoch": 1})
    journal.write_text(json.dumps({"trial": "t", "epoch": "one"}) + "\n")
    with pytest.raises(DataError, match=r"curves-000001\.jsonl is damaged"):
        rows(tmp_path)
