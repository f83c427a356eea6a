"""The data provider: a bucket of which each node keeps a copy, or data that a node prepares itself."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from pare import tasks
from pare.bucket import Folder
from pare.config import Run
from pare.data import provider, store
from pare.data.provider import DataProvider
from pare.errors import RequestError, TrainingError
from pare.tasks.own import importer
from pare.tasks.own import task as own
from tests.conftest import quietly
from tests.tasks.toys import Toy


@pytest.fixture
def toy(monkeypatch):
    toy = Toy()
    monkeypatch.setattr(tasks, "get", lambda _: toy)
    return toy


@pytest.fixture
def node(monkeypatch, tmp_path):
    """Makes this the node of that name: its data lies below another directory."""

    def be(name):
        monkeypatch.setenv("PARE_DATA", str(tmp_path / name))
        return tmp_path / name

    return be


@pytest.fixture
def there(store_url):
    return Folder(f"{store_url}/data")


def run_on(prepared):
    return Run(task="toy", data=prepared.key, body="roberta-mini", source="toy", source_data=prepared.key)


def put_raw(there, a="one", b="three"):
    there.write("toy/raw/a.bin", a.encode())
    there.write("toy/raw/b.bin", b.encode())


def test_one_node_prepares_and_the_others_pull(toy, node, there):
    node("head")
    data = DataProvider.of(there.uri, "laptop")
    made = data.prepare(toy, quietly)
    assert (toy.reads, made.provenance) == (1, "simulated")
    worker = node("worker")
    assert data.ready(run_on(made), toy, toy) == worker
    assert np.array_equal(store.load(worker, made.key).split("train").x, made.split("train").x)
    node("new head")
    assert data.prepare(toy, quietly).key == made.key
    assert toy.reads == 1


def test_official_files_may_lie_in_the_bucket(toy, node, there):
    put_raw(there)
    head = node("head")
    data = DataProvider.of(there.uri, "laptop")
    made = data.prepare(toy, quietly)
    assert made.provenance == "real"
    assert (head / "toy" / "raw" / "b.bin").read_text() == "three"
    other = node("new head")
    assert data.prepare(toy, quietly).key == made.key
    assert toy.reads == 1
    assert not (other / "toy" / "raw").exists(), "prepared data is enough"


def test_other_official_files_are_other_data(toy, node, there):
    node("head")
    keys = set()
    for content in ("three", "four!", "five"):
        put_raw(there, b=content)
        keys.add(DataProvider.of(there.uri, "laptop").prepare(toy, quietly).key)
        node(content)
    assert len(keys) == 3


def test_official_files_of_this_machine_come_first(toy, node, there):
    raw = node("head") / "toy" / "raw"
    raw.mkdir(parents=True)
    for name in toy.files:
        (raw / name).write_text("mine")
    own = store.origin(toy, node("head"), "laptop").key
    put_raw(there)
    assert DataProvider.of(there.uri, "laptop").prepare(toy, quietly).key == own


def test_without_a_bucket_a_node_makes_what_it_lacks_once(toy, tmp_path):
    made = store.prepare(toy, tmp_path / "head", "laptop", quietly)
    data = DataProvider.of(tmp_path / "worker", "laptop")
    assert data.makes(toy, made.key)
    for _ in range(2):
        data.ready(run_on(made), toy, toy)
    assert toy.reads == 2
    assert np.array_equal(store.load(tmp_path / "worker", made.key).split("val").x, made.split("val").x)


def test_a_node_that_would_make_other_data_says_so(toy, tmp_path):
    raw = tmp_path / "head" / "toy" / "raw"
    raw.mkdir(parents=True)
    for name in toy.files:
        (raw / name).write_text("official")
    made = store.prepare(toy, tmp_path / "head", "laptop", quietly)
    data = DataProvider.of(tmp_path / "worker", "laptop")
    assert not data.makes(toy, made.key)
    with pytest.raises(TrainingError, match=rf"lacks the data of toy \({made.key}\).*give --data-root in a bucket"):
        data.ready(run_on(made), toy, toy)
    assert not list((tmp_path / "worker" / "toy").glob("prepared-*"))


def test_a_folder_that_was_half_pushed_is_not_taken_for_whole(toy, node, there):
    node("head")
    data = DataProvider.of(there.uri, "laptop")
    made = data.prepare(toy, quietly)
    there.delete([f"{made.key}/{store.META}"])
    node("worker")
    data.prepare(toy, quietly)
    assert toy.reads == 2
    assert there.holds(f"{made.key}/{store.META}")


def test_what_was_damaged_on_its_way_is_not_trained_on(toy, node, there):
    node("head")
    data = DataProvider.of(there.uri, "laptop")
    made = data.prepare(toy, quietly)
    there.write(f"{made.key}/val.arrow", there.read(f"{made.key}/val.arrow")[:-1] + b"x")
    worker = node("worker")
    with pytest.raises(RequestError, match="its checksum is another"):
        data.ready(run_on(made), toy, toy)
    assert not (worker / made.key).exists(), "the next attempt must not find it"


def test_no_bucket_is_told_before_anything_starts(store_url):
    with pytest.raises(RequestError, match="--data-root is 's3://none/data': there is no bucket none"):
        DataProvider.of("s3://none/data", "laptop")


def test_the_directory_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("PARE_DATA", str(tmp_path))
    assert provider.root(None) == provider.root("s3://bucket/data") == tmp_path
    assert provider.root("~/x") == provider.root("~/x").expanduser()


def test_tasks_of_ones_own_are_found_where_their_files_are_not(monkeypatch, tmp_path):
    x, y = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32), np.arange(60) % 2
    np.savez(tmp_path / "data.npz", x=x, y=y)
    monkeypatch.setattr(tasks, "_own", [])
    task = importer.bring(tmp_path / "head", "mine", tmp_path / "data.npz")
    data = DataProvider.of(tmp_path / "head", "laptop")
    made = data.prepare(task, quietly)
    shutil.copytree(tmp_path / "head" / "mine" / made.key.partition("/")[2], tmp_path / "node" / made.key)
    shutil.rmtree(tmp_path / "head")
    there = replace(data, data_root=str(tmp_path / "node"))
    there.ready(Run(task="mine", data=made.key, body="roberta-mini", source="mine", source_data=made.key), task, task)
    own._load.cache_clear()
    tasks.adopt(tasks.definitions())
    assert tasks.get("mine").specification == task.specification
