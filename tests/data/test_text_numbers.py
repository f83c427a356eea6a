import numpy as np
import pandas as pd
import pytest

from pare.data.tabular import Encoder
from pare.data.text_numbers import AmbiguousTextError, parse
from pare.errors import RequestError


@pytest.mark.parametrize(
    ("texts", "numbers", "found"),
    [
        (["1,5", "2"], [1.5, 2], "decimal comma"),
        (["1.234,5", "3,25"], [1234.5, 3.25], "decimal comma"),
        (["1 234,5", "1\u202f000"], [1234.5, 1000], "decimal comma"),
        (["1,234.5", "2"], [1234.5, 2], "commas for thousands"),
        (["1,234,567", "2"], [1234567, 2], "commas for thousands"),
        (["12 %", "3.5%"], [12, 3.5], "numbers in %"),
        (["12 kg", "13kg"], [12, 13], "numbers in kg"),
        (["$5", "$6.5"], [5, 6.5], "numbers in $"),
        (["1.5", "-2e3", " 4 "], [1.5, -2000, 4], "written as text"),
        ([None, "1,5"], [np.nan, 1.5], "decimal comma"),
        (["2024-01-02", "2023-05-06T12:00"], [19724, 19483.5], "days since 1970"),
        (["2024-01-02T00:00:00+02:00"], [19724 - 2 / 24], "days since 1970"),
        (["2024/01/02"], [19724], "days since 1970"),
        (["12:30", "00:15:36"], [12.5, 0.26], "hours"),
        (list(map(str, range(30))), range(30), "written as text"),
        (pd.to_datetime(pd.Series(["1970-01-02", None])), [1, np.nan], "days since 1970"),
        (pd.to_timedelta(["1min", "2s"]), [60, 2], "seconds"),
    ],
)
def test_texts_that_are_numbers_or_dates(texts, numbers, found):
    parsed = parse(pd.Series(texts))
    np.testing.assert_allclose(parsed.values, list(numbers), rtol=1e-12)
    assert found in parsed.found


@pytest.mark.parametrize(
    "texts", [["a", "b"], ["1", "2", "1"], ["007", "012", "1"], ["A1", "A2"], ["5a", "6b"], ["3-4", "4-5"], ["", "?"]]
)
def test_categories_stay_texts(texts):
    assert parse(pd.Series(texts * 20)) is None


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["01/02/2024", "03/04/2024"], "day or month first"),
        (["2024-02-29", "2023-02-29"], "dates and .2023-02-29., which is none"),
        ([f"{n}.5" for n in range(40)] + ["1,5"], "several notations"),
        (["1.2.24"], "day or month first"),
        (["1,234", "2,345"], "thousands or a fraction"),
        ([*map(str, range(30)), "unknown"], "such as 'unknown'"),
        ([f"{n},5" for n in range(30)] + ["n/k"], "such as 'n/k'"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(texts, words):
    with pytest.raises(AmbiguousTextError, match=words):
        parse(pd.Series(texts))


def test_a_model_reads_rows_as_they_were_in_the_file():
    encoder = Encoder.fit(pd.DataFrame({"price": [1.5, 2.0], "kind": ["a", "b"]}))
    rows = pd.DataFrame({"price": ["1,5", "3"], "kind": ["a ", "c"]})
    np.testing.assert_array_equal(encoder.encode(rows), [[1.5, 1, 0], [3, 0, 0]])
    with pytest.raises(RequestError, match=r"'price' does not hold numbers.*day or month first"):
        encoder.encode(rows.assign(price="01/02/2024"))
    with pytest.raises(RequestError, match=r"'price' is beyond ±1e.37 in row 1"):
        encoder.encode(rows.assign(price=[1.0, 1e300]))


def test_one_hot_takes_memory_for_its_result_only():
    texts = [f"name {number % 500}" for number in range(20_000)]
    encoder = Encoder.fit(pd.DataFrame({"name": texts}))
    encoded = encoder.encode(pd.DataFrame({"name": texts}))
    assert encoded.shape == (20_000, 500)
    np.testing.assert_array_equal(encoded.sum(1), 1)
    assert encoder.columns["name"][int(encoded[7].argmax())] == "name 7"
