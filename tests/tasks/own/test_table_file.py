"""Tables as spreadsheets, databases and people write them: read as what they are, or refused by column."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from pare import tasks
from pare.errors import RequestError
from pare.tasks.own.importer import bring
from pare.tasks.own.readers import read


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(tasks, "_own", [])


def _csv(folder, text, name="table.csv", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_separator_and_encoding_are_found_out(tmp_path, separator, encoding):
    rows = [["größe", "art", "label"], ["1.5", "süß", "ja"], ["2", "salzig", "nein"], ["3", "süß", "ja"]]
    samples = read(_csv(tmp_path, "\n".join(map(separator.join, rows)), encoding=encoding))
    assert list(samples.x) == ["größe", "art"]
    assert samples.x["größe"].tolist() == [1.5, 2, 3]
    assert samples.x["art"].tolist() == ["süß", "salzig", "süß"]
    assert samples.y.tolist() == ["ja", "nein", "ja"]
    assert ("Windows-1252" in samples.found) == (encoding == "cp1252")


def test_decimal_commas_dates_and_units_become_numbers_and_are_named(tmp_path):
    lines = [f"{n},5;{n} %;2024-01-{n + 1:02d};{'ab'[n % 2]};{n},25" for n in range(20)]
    samples = read(_csv(tmp_path, "a;b;c;d;y\n" + "\n".join(lines)))
    assert samples.x.drop(columns="d").to_numpy().tolist() == [[n + 0.5, n, 19723 + n] for n in range(20)]
    assert samples.y.tolist() == [n + 0.25 for n in range(20)]
    assert len(samples.converted) == 5
    task = bring(tmp_path, "own", tmp_path / "table.csv")
    assert (task.kind, task.shape) == ("regression", (1, 5))
    raw = pd.DataFrame({"a": ["3,5"], "b": ["3 %"], "c": ["2024-01-04"], "d": ["b"]})
    np.testing.assert_array_equal(task.encode(raw)[0, 0], [3.5, 3, 19726, 0, 1])


def test_names_and_numbers_of_rows_are_left_out_and_named(tmp_path):
    frame = pd.DataFrame({"name": [f"person {n}" for n in range(6000)], "age": range(6000), "label": ["a", "b"] * 3000})
    frame.to_csv(tmp_path / "table.csv")
    samples = read(tmp_path / "table.csv")
    assert list(samples.x) == ["age"]
    assert samples.left_out == (
        "column 'Unnamed: 0': numbers of the rows",
        "column 'name': 6,000 different texts in 6,000 rows, names or identifiers",
    )


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ([f"01/{n % 12 + 1:02d}/2024" for n in range(100)], "column 'c' holds dates such as '01/01/2024'"),
        ([f"{n % 9 + 1},{n:03d}" for n in range(100)], "column 'c' holds numbers such as '1,000'"),
        ([*map(str, range(99)), "unknown"], "column 'c' holds numbers or dates, and texts such as 'unknown'"),
        ([f"town {n % 50}" for n in range(100)], "column 'c' has 50 different texts in 100 rows"),
        (["train", "valid"] * 50, "column 'c' holds train, valid: call it split"),
        ([None] * 100, "column 'c' is empty"),
        ([1e300, *range(99)], "column 'c' is beyond ±1e+37 in row 0"),
        ([1e9 + n / 1000 for n in range(100)], "column 'c' runs from"),
        ([1e-300 * n for n in range(100)], "float32 cannot tell apart"),
    ],
)
def test_columns_that_cannot_be_taken_are_refused_by_name(tmp_path, column, words):
    path = tmp_path / "table.csv"
    pd.DataFrame({"c": column, "x": range(100), "label": ["a", "b"] * 50}).to_csv(path, index=False)
    with pytest.raises(RequestError) as error:
        bring(tmp_path / "root", "own", path)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert bring(tmp_path / "root", "own", path, drop=("c",)).shape == (1, 1)


def _types():
    return {
        "list": pa.array([[1], [2, 3]] * 20),
        "struct": pa.array([{"a": 1}, {"a": 2}] * 20),
        "map": pa.array([[("a", 1)], []] * 20, pa.map_(pa.string(), pa.int64())),
        "binary": pa.array([b"a", b"b"] * 20),
    }


@pytest.mark.parametrize("kind", _types())
@pytest.mark.parametrize("write", [parquet.write_table, feather.write_feather])
def test_nested_columns_are_refused_by_name(tmp_path, kind, write):
    path = tmp_path / ("table.parquet" if write is parquet.write_table else "table.arrow")
    write(pa.table({"odd": _types()[kind], "x": pa.array(range(40)), "label": pa.array(["a", "b"] * 20)}), path)
    with pytest.raises(RequestError, match="column 'odd' holds"):
        read(path)


def test_types_that_are_numbers_become_numbers(tmp_path):
    table = pa.table(
        {
            "price": pa.array([Decimal("1.50"), Decimal("2.25")] * 20),
            "when": pa.array([0, 1] * 20, pa.date32()),
            "at": pa.array([0, 86_400_000] * 20, pa.timestamp("ms", "Europe/Berlin")),
            "long": pa.array([1, 2] * 20, pa.duration("s")),
            "clock": pa.array([0, 5400] * 20, pa.time32("s")),
            "half": pa.array(np.array([1, 2] * 20, np.float16)),
            "yes": pa.array([True, False] * 20),
            "kind": pa.array(["a", "b"] * 20).dictionary_encode(),
            "number": pa.array(range(40)),
            "label": pa.array(["a", "b"] * 20),
        }
    )
    parquet.write_table(table, tmp_path / "table.parquet")
    task = bring(tmp_path, "own", tmp_path / "table.parquet")
    row = [[2.25, 1, 1, 2, 1.5, 2, 0, 0, 1, 1]]
    samples = read(tmp_path / "table.parquet")
    np.testing.assert_array_equal(task.encode(samples.x[1:2])[:, 0], row)


def test_an_index_of_pandas_is_a_column_only_if_it_has_a_name(tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2, 3] * 5, "label": ["a", "b", "c"] * 5}, index=list(range(20, 35)))
    frame.to_parquet(tmp_path / "a.parquet")
    assert list(read(tmp_path / "a.parquet").x) == ["x"]
    frame.rename_axis("patient").to_parquet(tmp_path / "b.parquet")
    assert read(tmp_path / "b.parquet", "label", "patient").group.tolist() == list(range(20, 35))


def test_columns_are_found_whatever_their_case_and_the_spaces_around_them(tmp_path):
    path = _csv(tmp_path, "Label, x, Split, z\na , 1, train, 2\nb, 2, val, 3\na, 3, test, 4\n")
    samples = read(path)
    assert (samples.y.tolist(), list(samples.x)) == (["a", "b", "a"], ["x", "z"])
    assert samples.split.tolist() == ["train", "val", "test"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a;b\n", "holds no sample"),
        ("label\na\nb\n", "no column beside the label (CSV of commas, UTF-8)"),
        ("", "cannot be read"),
        ("a,b\n1,2,3\n4,5,6\n", "has rows of 3 cells below 2 names"),
        ("name,label\n" + "\n".join(f"n{n},{n % 2}" for n in range(100)), "no feature left (column 'name': 100 diff"),
    ],
)
def test_what_is_no_table_of_samples_is_told(tmp_path, text, words):
    with pytest.raises(RequestError) as error:
        read(_csv(tmp_path, text))
    assert words in str(error.value)


def test_two_columns_of_a_name_are_refused(tmp_path):
    parquet.write_table(pa.Table.from_arrays([pa.array([1, 2])] * 2, ["x", "x"]), tmp_path / "t.parquet")
    with pytest.raises(RequestError, match="two columns 'x'"):
        read(tmp_path / "t.parquet")


def test_columns_to_drop_are_there_and_not_asked_for_otherwise(tmp_path):
    path = _csv(tmp_path, "a,b,label\n1,2,x\n2,3,y\n")
    assert list(read(path, drop=("a",)).x) == ["b"]
    for drop, words in ((("c",), "--drop is 'c'"), (("label",), "--label or --group names")):
        with pytest.raises(RequestError, match=words):
            read(path, "label", None, drop)
