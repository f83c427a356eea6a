import numpy as np
import pandas as pd
import pytest

from pare.data.tabular import Encoder
from pare.errors import RequestError

TRAIN = pd.DataFrame(
    {"age": [20.0, np.nan, 40.0, 90.0], "sex": ["f", None, "m", "f"], "smokes": [True, False, True, True]}
)


def test_gaps_are_filled_from_the_training_rows():
    encoder = Encoder.fit(TRAIN, gaps=True)
    assert encoder.columns == {"age": 40.0, "sex": ["?", "f", "m"], "smokes": 1.0}
    rows = pd.DataFrame({"age": [np.nan, 30.0], "sex": [None, "x"], "smokes": [False, True]})
    np.testing.assert_array_equal(encoder.encode(rows), [[40, 1, 0, 0, 0], [30, 0, 0, 0, 1]])


def test_a_gap_that_training_rows_never_had_is_no_category():
    encoder = Encoder.fit(TRAIN[TRAIN.sex.notna()], gaps=True)
    np.testing.assert_array_equal(encoder.encode(TRAIN[1:2])[:, 1:3], [[0, 0]])


def test_empty_columns_and_rows_as_arrays():
    encoder = Encoder.fit(pd.DataFrame({"a": [np.nan, np.nan], "b": ["x", "y"]}), gaps=True)
    np.testing.assert_array_equal(
        encoder.encode(np.array([[None, "y"], [2.0, None]], dtype=object)), [[0, 0, 1], [2, 0, 0]]
    )
    assert encoder.features == 3


def test_without_gaps_they_are_told_by_row():
    encoder = Encoder.fit(TRAIN.dropna())
    for column, row in (("age", 1), ("sex", 1)):
        rows = TRAIN.dropna().assign(smokes=True).reset_index(drop=True)
        rows.loc[row, column] = None
        with pytest.raises(RequestError, match=f"column '{column}' is empty or not finite in row {row}"):
            encoder.encode(rows)


def test_infinite_numbers_and_words_for_numbers_are_refused():
    encoder = Encoder.fit(TRAIN, gaps=True)
    with pytest.raises(RequestError, match="not finite in rows 0, 1"):
        encoder.encode(TRAIN.assign(age=np.inf))
    with pytest.raises(RequestError, match="'age' does not hold numbers"):
        encoder.encode(TRAIN.assign(age="old"))
