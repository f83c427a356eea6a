"""What is drawn to be recorded, and the file that keeps it."""

import pytest

from pare.errors import DataError
from tests.bench import fakes, record


def test_draws_are_the_published_one_then_uniform_and_near_it_in_turn():
    published = fakes.SPACE.published(fakes.BASE, record.METHOD)
    draws = [record.draw(fakes.SPACE, fakes.BASE, number) for number in range(7)]
    assert [drawn for drawn, _, _ in draws] == ["published"] * 3 + ["uniform", "near", "uniform", "near"]
    assert [seed for _, _, seed in draws] == [0, 1, 2, 0, 0, 0, 0]
    assert all((searched == published) == (drawn == "published") for drawn, searched, _ in draws)
    assert draws[3:] == [record.draw(fakes.SPACE, fakes.BASE, number) for number in range(3, 7)], "a resumed one's too"


def test_recording_survives_its_file(tmp_path):
    written = fakes.recording(5)
    record.save(tmp_path / "ecg.parquet", written)
    assert record.load(tmp_path / "ecg.parquet") == written


def test_damaged_recording_is_told_in_one_line(tmp_path):
    (tmp_path / "ecg.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"ecg\.parquet") as caught:
        record.load(tmp_path / "ecg.parquet")
    assert "\n" not in str(caught.value)
