import os
import platform
import time
from pathlib import Path

import numpy as np
import pytest

from pare.data import store
from pare.data.store import load, prepare
from pare.data.task import SPLITS, ProgressCallback, Raw
from pare.errors import DataError, RequestError
from tests.tasks.toys import DenseToy, TagToy, Toy


def _quiet(done: int, total: int) -> None:
    pass


def _one_line(error: pytest.ExceptionInfo[BaseException], *parts: str) -> None:
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def _put_official(root: Path, *names: str) -> Path:
    raw = root / "toy" / "raw"
    raw.mkdir(parents=True)
    for name in names:
        (raw / name).write_text("measured")
    return raw


@pytest.mark.parametrize("kind", [Toy, DenseToy, TagToy])
def test_what_was_read_comes_back(tmp_path, kind):
    task = kind()
    prepared = prepare(task, tmp_path, "laptop", _quiet)
    raw = task.read(next((tmp_path / "toy").glob("simulated-*")), _quiet)
    for name in SPLITS:
        for column in ("x", "y", "group"):
            expected, actual = getattr(getattr(raw, name), column), getattr(prepared.split(name), column)
            assert actual.dtype == expected.dtype
            np.testing.assert_array_equal(actual, expected)
    np.testing.assert_array_equal(prepared.statistics["input_mean"], raw.statistics["input_mean"])
    assert prepared.counts == {"train": 7, "val": 3, "test": 2}
    assert load(tmp_path, prepared.key).counts == prepared.counts
    assert prepared.provenance == "simulated"


def test_classes_are_counted(tmp_path):
    prepared = prepare(Toy(), tmp_path, "laptop", _quiet)
    for name in SPLITS:
        assert prepared.classes[name] == tuple(np.bincount(prepared.split(name).y, minlength=3))


def test_tags_are_counted(tmp_path):
    prepared = prepare(TagToy(), tmp_path, "laptop", _quiet)
    for name in SPLITS:
        assert prepared.classes[name] == tuple(prepared.split(name).y.sum(0))


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of mappings")
def test_arrays_are_the_mapped_file_itself(tmp_path):
    prepared = prepare(DenseToy(), tmp_path, "laptop", _quiet)
    split = prepared.split("train")
    mapped = [
        [int(end, 16) for end in line.split()[0].split("-")]
        for line in Path("/proc/self/maps").read_text().splitlines()
        if line.endswith(str(tmp_path / prepared.key / "train.arrow"))
    ]
    for array in (split.x, split.y, split.group):
        address = array.__array_interface__["data"][0]
        assert any(start <= address and address + array.nbytes <= end for start, end in mapped)
        assert not array.flags.writeable


def test_preparing_twice_does_nothing(tmp_path):
    task = Toy()
    first = prepare(task, tmp_path, "laptop", _quiet)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert prepare(task, tmp_path, "laptop", _quiet).key == first.key
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times
    assert (task.synthesised, task.reads) == (1, 1)


@pytest.mark.parametrize("method", ["write_synthetic", "read"])
def test_failure_leaves_nothing_half_written(tmp_path, monkeypatch, method):
    def fail(folder, *_):
        if method == "write_synthetic":
            (folder / "a.bin").write_text("half")
        raise RuntimeError("power cut")

    task = Toy()
    monkeypatch.setattr(task, method, fail)
    with pytest.raises(RuntimeError, match="power cut"):
        prepare(task, tmp_path, "laptop", _quiet)
    left = [path.name.partition("-")[0] for path in (tmp_path / "toy").iterdir()]
    assert left == ([] if method == "write_synthetic" else ["simulated"])
    monkeypatch.undo()
    assert prepare(task, tmp_path, "laptop", _quiet).counts["train"] == 7


def test_failure_while_writing_leaves_nothing(tmp_path, monkeypatch):
    def full(*_args, **_arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(RequestError) as error:
        prepare(Toy(), tmp_path, "laptop", _quiet)
    _one_line(error, str(tmp_path), "No space left")
    assert [path.name.partition("-")[0] for path in (tmp_path / "toy").iterdir()] == ["simulated"]


def test_loser_of_a_race_uses_the_winners_folder(tmp_path):
    winners: list[float] = []

    class Slow(Toy):
        def read(self, folder: Path, progress: ProgressCallback) -> Raw:
            key = prepare(Toy(), tmp_path, "laptop", _quiet).key
            winners.append((tmp_path / key / "meta.json").stat().st_mtime_ns)
            return super().read(folder, progress)

    prepared = prepare(Slow(), tmp_path, "laptop", _quiet)
    assert [(tmp_path / prepared.key / "meta.json").stat().st_mtime_ns] == winners
    assert not list(tmp_path.rglob(".partial*"))


def test_test_split_stays_shut_until_asked_for(tmp_path):
    prepared = prepare(Toy(), tmp_path, "laptop", _quiet)
    (tmp_path / prepared.key / "test.arrow").write_text("garbage")
    again = prepare(Toy(), tmp_path, "laptop", _quiet)
    assert len(again.split("train")) == 7
    assert len(again.split("val")) == 3
    with pytest.raises(DataError) as error:
        again.split("test")
    _one_line(error, str(tmp_path / prepared.key), "test.arrow", "prepare")


def test_absent_data_is_named(tmp_path):
    with pytest.raises(DataError) as error:
        load(tmp_path, "toy/prepared-0")
    _one_line(error, str(tmp_path / "toy/prepared-0"), "prepare")


@pytest.mark.parametrize("damage", ["truncate", "remove"])
@pytest.mark.parametrize("name", ["meta.json", "statistics.npz", "train.arrow"])
def test_damage_is_named(tmp_path, name, damage):
    prepared = prepare(Toy(), tmp_path, "laptop", _quiet)
    path = tmp_path / prepared.key / name
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError) as error:
        load(tmp_path, prepared.key).split("train")
    _one_line(error, str(tmp_path / prepared.key), name, "remove the folder")


def test_data_of_another_format_is_refused(tmp_path, monkeypatch):
    key = prepare(Toy(), tmp_path, "laptop", _quiet).key
    monkeypatch.setattr(store, "_FORMAT", store._FORMAT + 1)
    with pytest.raises(DataError, match="another version"):
        load(tmp_path, key)


def test_official_files_take_precedence(tmp_path):
    _put_official(tmp_path, "a.bin", "b.bin")
    task = Toy()
    assert prepare(task, tmp_path, "laptop", _quiet).provenance == "real"
    assert (task.synthesised, task.reads) == (0, 1)


def test_replaced_official_file_is_read_anew(tmp_path):
    raw = _put_official(tmp_path, "a.bin", "b.bin")
    first = prepare(Toy(), tmp_path, "laptop", _quiet)
    (raw / "a.bin").write_text("replaced")
    assert prepare(Toy(), tmp_path, "laptop", _quiet).key != first.key


def test_the_same_official_files_elsewhere_and_later_have_the_same_key(tmp_path):
    keys = []
    for place in ("here", "there"):
        raw = _put_official(tmp_path / place, "a.bin", "b.bin")
        os.utime(raw / "a.bin", ns=(len(keys), 1))
        keys.append(prepare(Toy(), tmp_path / place, "laptop", _quiet).key)
    assert keys[0] == keys[1]


def test_missing_official_file_is_named(tmp_path):
    _put_official(tmp_path, "a.bin")
    with pytest.raises(DataError) as error:
        prepare(Toy(), tmp_path, "laptop", _quiet)
    _one_line(error, "b.bin", "the toy shop")


def test_preset_without_recipe_says_what_to_put_where(tmp_path):
    with pytest.raises(DataError) as error:
        prepare(Toy(), tmp_path, "paper", _quiet)
    _one_line(error, "a.bin, b.bin", str(tmp_path / "toy" / "raw"), "the toy shop", "--preset laptop")


def test_unwritable_root_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError) as error:
        prepare(Toy(), tmp_path / "file", "laptop", _quiet)
    _one_line(error, str(tmp_path / "file"), "writable")


def test_key_tells_versions_and_recipes_apart(tmp_path, monkeypatch):
    keys = [prepare(Toy(), tmp_path, "laptop", _quiet).key]
    monkeypatch.setattr(Toy, "version", 2)
    keys.append(prepare(Toy(), tmp_path, "laptop", _quiet).key)
    monkeypatch.setattr(Toy, "recipes", {"laptop": {"seed": 1}})
    keys.append(prepare(Toy(), tmp_path, "laptop", _quiet).key)
    assert len(set(keys)) == 3


def test_leftovers_of_the_dead_are_removed(tmp_path):
    dead = _dead_process()
    here, elsewhere = platform.node(), "another-host"
    folders = {
        tmp_path / "toy" / f".partial-{host}-{pid}-{token}": stays
        for host, pid, token, stays in (
            (here, dead, "00", False),
            (here, os.getpid(), "00", True),
            (elsewhere, dead, "00", True),
            (elsewhere, dead, "01", False),
        )
    }
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "half.bin").write_text("half")
        if folder.name.endswith("01"):
            two_days_ago = time.time() - 2 * 86400
            os.utime(folder, (two_days_ago, two_days_ago))
    prepare(Toy(), tmp_path, "laptop", _quiet)
    assert {folder: folder.exists() for folder in folders} == folders


def _dead_process() -> int:
    pid = os.posix_spawn("/bin/true", ["true"], os.environ)
    os.waitpid(pid, 0)
    return pid


def test_a_disk_without_hard_links_gets_copies(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(store.os, "link", refuse)
    assert prepare(Toy(), tmp_path, "laptop", _quiet).split("train").x.shape[0]
