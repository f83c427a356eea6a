"""A sweep's directory in a bucket: what it holds at any moment, and what the next session begins with."""

import contextlib
import sqlite3
from types import SimpleNamespace

import pytest

from pare import bucket
from pare.bucket import Folder
from pare.errors import BucketError
from pare.search.output import bucket_sync, lease
from tests.search.output.machines import machine, mirrored


def fill(out, **rows):
    """Write what a sweep leaves: a study of so many rows, and a table that says how many."""
    if not (out / "sweep.json").exists():
        (out / "sweep.json").write_text("{}")
    for task, count in rows.items():
        (out / task / "running" / "pare-0000").mkdir(parents=True, exist_ok=True)
        (out / task / "running" / "pare-0000" / "epoch-1").write_text("big")
        with contextlib.closing(sqlite3.connect(out / task / "study.db")) as study, study:
            study.execute("create table if not exists trials (number)")
            study.execute("delete from trials")
            study.executemany("insert into trials values (?)", [(each,) for each in range(count)])
        (out / task / "trials.parquet").write_text(str(count))


def rows(study):
    with contextlib.closing(sqlite3.connect(study)) as database:
        return database.execute("select count(*) from trials").fetchone()[0]


def test_another_machine_goes_on_with_what_was_left(remote, tmp_path):
    one, other = machine(tmp_path, "one"), machine(tmp_path, "other")
    with mirrored(remote, one):
        fill(one, ecg=3)
        (one / "tb" / "ecg").mkdir(parents=True)
        (one / "tb" / "ecg" / "events").write_text("e")
    assert set(remote.files()) == {
        lease.NAME,
        "sweep.json",
        "ecg/study.db",
        "ecg/trials.parquet",
        "tb/ecg/events",
    }
    (other / "ecg").mkdir()
    (other / "ecg" / "old.parquet").write_text("of a sweep that is no more")
    with mirrored(remote, other):
        assert rows(other / "ecg" / "study.db") == 3
        assert not (other / "ecg" / "old.parquet").exists()
        fill(other, ecg=5)
    # Back on the first, whose own copy is old by now.
    with mirrored(remote, one):
        assert rows(one / "ecg" / "study.db") == 5
        assert (one / "ecg" / "trials.parquet").read_text() == "5"


def test_what_lies_in_a_studys_log_is_pushed_too(remote, out, tmp_path):
    with mirrored(remote, out) as bucket_sync:
        fill(out, ecg=1)
        with contextlib.closing(sqlite3.connect(out / "ecg" / "study.db")) as study:
            study.execute("pragma journal_mode=wal")
            bucket_sync.push()
            before = (out / "ecg" / "study.db").stat().st_mtime_ns
            study.execute("insert into trials values (7)")
            study.commit()
            assert (out / "ecg" / "study.db").stat().st_mtime_ns == before
            bucket_sync.push()
            remote.pull("ecg/study.db", tmp_path / "pulled.db")
        assert rows(tmp_path / "pulled.db") == 2


def test_the_same_machine_goes_on_with_what_it_had_not_pushed(remote, out, monkeypatch):
    """A killed driver leaves a local copy that is newer than the bucket's."""
    first = mirrored(remote, out).__enter__()
    fill(out, ecg=1)
    first.push()
    first._over.set()
    first._lease.stop()
    first._thread.join()
    fill(out, ecg=2)
    pushed = []
    monkeypatch.setattr(Folder, "pull", lambda *_: pytest.fail("nothing there is newer"))
    with mirrored(remote, out) as again:
        push, again_push = Folder.push, again.push
        monkeypatch.setattr(Folder, "push", lambda self, path, name: (pushed.append(name), push(self, path, name)))
        assert rows(out / "ecg" / "study.db") == 2
        again_push()
    assert sorted(pushed) == ["ecg/study.db", "ecg/trials.parquet"], "and nothing twice"


def test_what_goes_here_goes_there(remote, out):
    with mirrored(remote, out) as following:
        fill(out, ecg=1, darcy=1)
        following.push()
        (out / "darcy" / "trials.parquet").unlink()
        following.push()
        assert "darcy/trials.parquet" not in remote.files()


def test_no_study_there_knows_more_than_its_tables(remote, out, monkeypatch):
    """A trial ends while a push is at work: first in the table, then in the study."""
    push = Folder.push

    def meanwhile(self, path, name):
        push(self, path, name)
        if name == "ecg/trials.parquet" and rows(out / "ecg" / "study.db") == 1:
            fill(out, ecg=2)

    with mirrored(remote, out) as following:
        fill(out, ecg=1)
        monkeypatch.setattr(Folder, "push", meanwhile)
        following.push()
        study = out.parent / "study.db"
        remote.pull("ecg/study.db", study)
        assert rows(study) <= int(remote.read("ecg/trials.parquet"))
        following.push()
        remote.pull("ecg/study.db", study)
        assert (rows(study), remote.read("ecg/trials.parquet")) == (2, b"2")


def test_a_study_is_pushed_as_between_two_transactions(remote, out):
    with mirrored(remote, out) as following:
        fill(out, ecg=1)
        with contextlib.closing(sqlite3.connect(out / "ecg" / "study.db")) as study:
            study.execute("insert into trials values (7)")
            following.push()
            assert {name for name in remote.files() if name.startswith("ecg/study")} == {"ecg/study.db"}
            remote.pull("ecg/study.db", out.parent / "study.db")
            assert rows(out.parent / "study.db") == 1
            study.rollback()


def test_checkpoints_of_a_trial_that_ended_go_and_models_stay(remote, out):
    with mirrored(remote, out) as following:
        for trial in ("pare-0000", "confirm-pare-1"):
            remote.write(f"ecg/running/{trial}/epoch-1", b"x")
        following.end(SimpleNamespace(task="ecg", trial="pare-0000", purpose="search"))
        following.end(SimpleNamespace(task="ecg", trial="confirm-pare-1", purpose="confirm"))
        assert "ecg/running/pare-0000/epoch-1" in remote.files(), "until the study there knows of the end"
        following.push()
        assert [name for name in remote.files() if "running" in name] == ["ecg/running/confirm-pare-1/epoch-1"]
        following.drop("ecg/running")
    assert not [name for name in remote.files() if "running" in name]


def test_a_fresh_start_keeps_the_old_beside(remote, out, store_url):
    said = []
    for count in (1, 2):
        with mirrored(remote, out, fresh=True, said=said):
            assert {path.name for path in out.iterdir()} == {".lock.held", ".mirror.json"}
            fill(out, ecg=count)
    assert said == [f"the earlier sweep now lies in {store_url}/run.1"]
    aside = Folder(f"{store_url}/run.1")
    assert remote.read("ecg/trials.parquet") == b"2"
    assert set(aside.files()) == {"sweep.json", "ecg/study.db", "ecg/trials.parquet"}
    assert aside.read("ecg/trials.parquet") == b"1"


@pytest.fixture
def away(monkeypatch):
    """Takes the bucket away, for what is pushed."""
    monkeypatch.setattr(bucket, "_WAITS", ())
    push = Folder.push

    def set_to(gone):
        def fail(*_):
            raise OSError("When creating key: AWS Error NETWORK_CONNECTION (Request ID: 7)")

        monkeypatch.setattr(Folder, "push", fail if gone else push)

    return set_to


def test_a_bucket_that_is_away_at_the_end_is_told_with_where_the_results_are(remote, out, away):
    def sweep():
        with mirrored(remote, out):
            fill(out, ecg=1)
            away(True)

    with pytest.raises(BucketError) as error:
        sweep()
    reason = "When creating key: AWS Error NETWORK_CONNECTION"
    assert f"{remote} cannot be reached ({reason}): everything lies in {out}; " in str(error.value)
    away(False)
    with mirrored(remote, out):
        pass
    assert remote.read("ecg/trials.parquet") == b"1"


def test_an_error_of_the_sweep_is_not_hidden_by_the_bucket(remote, out, away):
    def sweep():
        with mirrored(remote, out):
            fill(out, ecg=1)
            away(True)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep()


def test_it_follows_by_itself(remote, out, monkeypatch):
    monkeypatch.setattr(bucket_sync, "EVERY", 0.05)
    with mirrored(remote, out) as following:
        fill(out, ecg=4)
        while remote.read("ecg/trials.parquet") != b"4":
            following.begin(SimpleNamespace(task="ecg", trial="pare-0000"))
