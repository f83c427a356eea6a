import os
import weakref

import numpy as np
import pytest

from pare.data import arrow, store
from pare.data.task import Raw, Split
from pare.errors import DataError
from tests.tasks.toys import DenseToy, Toy


def _quiet(*_):
    pass


def _chunks(sizes, shape=(2, 3), dtype=np.float16):
    rng = np.random.default_rng(0)
    first = 0
    for n in sizes:
        y = rng.standard_normal((n, 2, 4, 4), dtype=np.float32)
        yield Split(rng.standard_normal((n, *shape)).astype(dtype), y, np.arange(first, first + n))
        first += n


def test_chunks_come_back_as_one(tmp_path):
    seen = []
    assert arrow.write(tmp_path / "train.arrow", _chunks((3, 1, 5)), lambda chunk: seen.append(len(chunk))) == 9
    split = arrow.read(tmp_path / "train.arrow")
    for name in ("x", "y", "group"):
        expected = np.concatenate([getattr(chunk, name) for chunk in _chunks((3, 1, 5))])
        actual = getattr(split, name)
        np.testing.assert_array_equal(actual, expected)
        assert actual.dtype == expected.dtype
        assert actual.flags.c_contiguous
    assert seen == [3, 1, 5]
    assert [path.name for path in tmp_path.iterdir()] == ["train.arrow"]


def test_no_more_than_two_chunks_are_held(tmp_path):
    def watched():
        earlier = []
        for chunk in _chunks([4] * 6):
            assert sum(reference() is not None for reference in earlier) <= 1
            earlier.append(weakref.ref(chunk.x))
            yield chunk
            del chunk

    assert arrow.write(tmp_path / "train.arrow", watched(), _quiet) == 24


@pytest.mark.parametrize("other", [{"shape": (3, 2)}, {"dtype": np.float32}])
def test_chunks_that_do_not_match_are_refused(tmp_path, other):
    def mixed():
        yield from _chunks([2])
        yield from _chunks([2], **other)

    with pytest.raises(ValueError, match="a chunk of"):
        arrow.write(tmp_path / "train.arrow", mixed(), _quiet)


class _Streaming(Toy):
    """The toy in chunks of two, statistics made on the way."""

    def read(self, folder, progress):
        whole, statistics = super().read(folder, progress), {}

        def chunks(split):
            for start in range(0, len(split), 2):
                rows = slice(start, start + 2)
                yield Split(split.x[rows], split.y[rows], split.group[rows])
            if split is whole.train:
                statistics["input_mean"] = split.x.mean()

        return Raw(*(chunks(split) for split in (whole.train, whole.val, whole.test)), statistics)


def test_a_stream_prepares_the_same_as_the_whole(tmp_path):
    whole = store.prepare(Toy(), tmp_path / "whole", "laptop", _quiet)
    streamed = store.prepare(_Streaming(), tmp_path / "streamed", "laptop", _quiet)
    assert (streamed.counts, streamed.classes) == (whole.counts, whole.classes)
    for name in whole.counts:
        np.testing.assert_array_equal(streamed.split(name).x, whole.split(name).x)
    assert streamed.statistics["input_mean"] == whole.split("train").x.mean()


def test_a_split_without_samples_is_told(tmp_path):
    class Empty(DenseToy):
        def read(self, folder, progress):
            raw = super().read(folder, progress)
            return Raw(raw.train, iter(()), raw.test)

    with pytest.raises(DataError, match="no sample for val"):
        store.prepare(Empty(), tmp_path, "laptop", _quiet)
    assert not list((tmp_path / "toy").glob("prepared-*"))


def test_a_stream_that_breaks_leaves_nothing(tmp_path):
    class Broken(DenseToy):
        def read(self, folder, progress):
            raw = super().read(folder, progress)

            def chunks():
                yield raw.val
                raise DataError("a chunk is damaged")

            return Raw(raw.train, chunks(), raw.test)

    with pytest.raises(DataError, match="a chunk is damaged"):
        store.prepare(Broken(), tmp_path, "laptop", _quiet)
    assert [path.name.partition("-")[0] for path in (tmp_path / "toy").iterdir()] == ["simulated"]


def test_a_preparation_that_was_killed_goes_on_after_its_last_whole_split(tmp_path, monkeypatch):
    class Killed(BaseException):
        """An end as sudden as a signal's."""

    written = []
    write = arrow.write

    def dying(path, *rest):
        written.append(path.stem)
        if written == ["train", "val"]:
            raise Killed
        return write(path, *rest)

    monkeypatch.setattr(arrow, "write", dying)
    with pytest.raises(Killed):
        store.prepare(_Streaming(), tmp_path, "laptop", _quiet)
    prepared = store.prepare(_Streaming(), tmp_path, "laptop", _quiet)
    assert written == ["train", "val", "val", "test"]
    whole = store.prepare(Toy(), tmp_path / "whole", "laptop", _quiet)
    np.testing.assert_array_equal(prepared.split("train").x, whole.split("train").x)
    assert prepared.statistics["input_mean"] == whole.split("train").x.mean()
    assert (prepared.counts, prepared.classes) == (whole.counts, whole.classes)
    assert sorted(path.name.partition("-")[0] for path in (tmp_path / "toy").iterdir()) == ["prepared", "simulated"]


def test_what_was_left_unfinished_goes_after_a_day(tmp_path, monkeypatch):
    left = tmp_path / "toy" / ".splits-0123"
    left.mkdir(parents=True)
    store.prepare(Toy(), tmp_path, "laptop", _quiet)
    assert left.is_dir()
    os.utime(left, (1, 1))
    monkeypatch.setattr(Toy, "version", 2)
    store.prepare(Toy(), tmp_path, "laptop", _quiet)
    assert not left.exists()
