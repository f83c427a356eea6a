"""OpenML's two formats; of ARFF a piece of an official file, which scikit-learn brings for tests of its own."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets

from pare.errors import DataError
from pare.tasks.openml import readers

_OFFICIAL = Path(sklearn.datasets.__file__).parent / "tests/data/openml/id_40966/data-v1-dl-17928620.arff.gz"

ARFF = """% a comment
@RELATION credit
@ATTRIBUTE 'checking status' {'<0', '0<=X<200', 'no checking'}
@attribute duration REAL
@attribute age INTEGER
@attribute class {good,bad}
@DATA
'<0',6,67,good
'no checking',?,22,bad
?,12.5,?,good
"""


def test_categories_numbers_and_gaps_of_arff(tmp_path):
    (tmp_path / "a.arff").write_text(ARFF)
    frame = readers.read(tmp_path / "a.arff")
    assert list(frame) == ["checking status", "duration", "age", "class"]
    assert frame["checking status"].tolist()[:2] == ["<0", "no checking"]
    np.testing.assert_array_equal(frame.isna().sum(axis=1), [0, 1, 2])
    assert frame.duration.tolist()[::2] == [6, 12.5]


@pytest.mark.skipif(not _OFFICIAL.is_file(), reason="this scikit-learn came without its tests")
def test_an_official_file_of_mice(tmp_path):
    (tmp_path / "mice.arff").write_bytes(gzip.decompress(_OFFICIAL.read_bytes()))
    frame = readers.read(tmp_path / "mice.arff")
    assert frame.shape == (7, 82)
    assert frame.MouseID[0] == "309_1"
    assert frame.iloc[0, 1] == pytest.approx(0.503643884)
    assert set(frame["class"]) == {"c-CS-m"}


def test_parquet_with_categories(tmp_path):
    written = pd.DataFrame({"a": [1.0, np.nan], "b": pd.Categorical(["x", None])})
    written.to_parquet(tmp_path / "a.pq")
    frame = readers.read(tmp_path / "a.pq")
    np.testing.assert_array_equal(frame.isna(), written.isna())
    assert frame.b[0] == "x"


@pytest.mark.parametrize("content", [b"", b"\0" * 100, ARFF[:60].encode(), ARFF.replace("REAL", "STRING").encode()])
@pytest.mark.parametrize("name", ["a.arff", "a.pq"])
def test_damaged_files_are_told_in_a_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        readers.read(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)
