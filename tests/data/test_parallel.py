import time
from contextlib import nullcontext
from operator import add

import numpy as np
import pytest

from pare import tasks
from pare.data import parallel, store
from pare.data.official.archives import Archive
from pare.tasks.prepare import main
from tests.tasks import tiny


def _quiet(*_):
    pass


def _slow_first(part, wait):
    time.sleep(wait * (part == 0))
    return part


def test_results_come_in_the_order_of_their_parts():
    assert list(parallel.ordered(_slow_first, range(40), 0.1)) == list(range(40))


def test_parts_are_asked_for_as_they_are_needed(monkeypatch):
    monkeypatch.setattr(parallel, "_AHEAD", 1)
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    asked = []
    made = parallel.ordered(add, (asked.append(part) or part for part in range(100)), 1)
    assert next(made) == 1
    assert asked == [0, 1, 2]
    made.close()
    assert asked == [0, 1, 2]


def test_who_did_not_import_ray_is_not_connected(monkeypatch):
    monkeypatch.delitem(parallel.sys.modules, "ray", raising=False)
    assert not parallel.connected()


LARGE = [name for name in tasks.names() if tasks.get(name).in_parts]


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """A data root with small official files of the tasks that are read in parts."""
    root = tmp_path_factory.mktemp("official")
    for name in LARGE:
        raw = root / name / "raw"
        raw.mkdir(parents=True)
        tasks.get(name).write_synthetic(raw, tiny.of(name).recipe, _quiet)
    return root


def _linked(official, root):
    for name in LARGE:
        (root / name).mkdir(parents=True)
        (root / name / "raw").symlink_to(official / name / "raw")
    return root


@pytest.fixture(scope="module")
def by_threads(official, tmp_path_factory):
    root = _linked(official, tmp_path_factory.mktemp("threads"))
    return {name: store.prepare(tasks.get(name), root, "laptop", _quiet) for name in LARGE}


def test_ray_is_started_for_large_official_files_only(official, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(parallel, "cluster", lambda address: started.append(address) or nullcontext())
    monkeypatch.setattr(type(tasks.get("psicov")), "recipes", {"laptop": tiny.of("psicov").recipe})
    assert main(["psicov", "--data-root", str(tmp_path / "simulated")]) == 0
    root = _linked(official, tmp_path / "real")
    assert started == []
    for _ in range(2):
        assert main(["psicov", "--data-root", str(root)]) == 0
        assert started == [None], "and for what is ready not again"


@pytest.fixture(scope="module")
def _ray():
    with parallel.cluster(None):
        yield
    assert not parallel.connected()


@pytest.mark.ray
@pytest.mark.usefixtures("_ray")
def test_ray_prepares_the_same_bytes(official, by_threads, tmp_path, monkeypatch):
    used = []
    pool = parallel._tasks
    monkeypatch.setattr(parallel, "_tasks", lambda make, shared: used.append(make.__module__) or pool(make, shared))
    root = _linked(official, tmp_path / "ray")
    assert main([*LARGE, "--data-root", str(root)]) == 0
    assert len(set(used)) == len(LARGE)
    for expected in by_threads.values():
        made = store.load(root, expected.key)
        assert made.checksums == expected.checksums
        for figure, value in expected.statistics.items():
            np.testing.assert_array_equal(made.statistics[figure], value)


@pytest.mark.ray
@pytest.mark.usefixtures("_ray")
def test_a_damaged_part_is_told_in_a_line_by_ray_too(official, tmp_path, capsys, monkeypatch):
    read = Archive.read
    monkeypatch.setattr(Archive, "read", lambda self, name: b"RIFF" if name.endswith("_0.wav") else read(self, name))
    root = _linked(official, tmp_path / "damaged")
    assert main(["fsd50k", "--data-root", str(root)]) == 2
    error = capsys.readouterr().err
    assert "no whole WAV file" in error
    assert error.count("\n") == 1
    assert [path.name for path in (root / "fsd50k").iterdir()] == ["raw"]
