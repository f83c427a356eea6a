"""A sweep's directory in a bucket: what it holds at any moment, and what the next session begins with."""

import contextlib
import sqlite3
from types import SimpleNamespace

import pytest

from pare import bucket
from pare.bucket import Folder
from pare.config import Run
from pare.errors import BucketError
from pare.reporting import read
from pare.reporting.tables import Tables
from pare.reporting.tensorboard import TensorBoard
from pare.search.output import bucket_sync, lease
from pare.search.output.bucket_sync import BucketSync
from pare.search.study import space
from pare.search.study.journal import StudyJournal
from pare.search.study.storage import read_trials
from pare.search.study.study import Study
from tests.reporting.fakes import figures, record


@pytest.fixture
def remote(store_url):
    return Folder(f"{store_url}/run")


@pytest.fixture
def out(tmp_path):
    return machine(tmp_path, "out")


def machine(tmp_path, name):
    """The workspace of a machine; it holds the lock of its directory."""
    out = tmp_path / name
    out.mkdir(exist_ok=True)
    (out / ".lock.held").touch()
    return out


def mirrored(remote, out, fresh=False, said=None):
    return BucketSync(remote, out, fresh, (said if said is not None else []).append)


def fill(out, **rows):
    """What a sweep leaves: a study of so many rows, and a table that says how many."""
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
    """As where the driver was killed: its own copy is newer than the bucket's."""
    first = mirrored(remote, out).__enter__()
    fill(out, ecg=1)
    first.push()
    first._over.set()
    first._owner.stop()
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


RUN = Run(task="ecg", data="d", body="roberta-mini", source="signals", source_data="s", epochs=3)


class Sweep:
    """A study and its tables as a sweep tells them."""

    def __init__(self, out):
        self.folder = out / "ecg"
        self.folder.mkdir(exist_ok=True)
        url, searched = f"sqlite:///{self.folder}/study.db", space.for_run(RUN, "1d")
        own = StudyJournal(self.folder / "parts")
        self.study = Study("ecg", url, "minimize", RUN, searched, ("pare",), 10_000, 0, "random", journal=own)
        self.tables, self.board = Tables(out), TensorBoard(out, {"ecg": searched.domains()})

    def trial(self, *observers, epochs=3):
        asked = self.study.ask()
        one = record(f"pare-{asked.number:04d}", searched=asked.searched)
        observers = (self.tables, self.board, *observers)
        for observer in observers:
            observer.begin(one)
        for epoch in range(1, epochs + 1):
            one.epochs, one.objective = epoch, 1 / epoch + asked.number
            for observer in observers:
                observer.epoch(one, figures(epoch, one.objective))
            self.study.report(asked.number, epoch, one.objective)
        if epochs == 3:
            one.state = "complete"
            for observer in observers:
                observer.end(one)
            self.study.complete(asked.number, one.objective)


def trials(study):
    return [
        {name: getattr(trial, name) for name in ("number", "state", "values", "params", "distributions")}
        | {name: getattr(trial, name) for name in ("intermediate_values", "user_attrs", "system_attrs")}
        | {"times": (trial.datetime_start, trial.datetime_complete)}
        for trial in read_trials(f"sqlite:///{study}", "ecg")
    ]


@contextlib.contextmanager
def lost(remote, out):
    """A mirror whose machine is gone when the context ends: it pushes no more, and its claim is not renewed."""
    following = mirrored(remote, out)
    following._follow = lambda: None
    following.__enter__()
    yield following
    following._over.set()
    following._owner.stop()
    remote.delete([lease.NAME])


def test_a_lost_machines_study_is_its_copy_and_the_journals_beside_it(remote, tmp_path):
    """After any push, and also for a machine after the next."""
    for number in range(3):
        out = machine(tmp_path, f"machine-{number}")
        with lost(remote, out) as following:
            (out / "sweep.json").touch()
            sweep = Sweep(out)
            for epochs in (3, 3, 1, 3, 2):
                sweep.trial(following, epochs=epochs)
                following.push(whole=False)
            known, told = trials(sweep.folder / "study.db"), read(out)
            sweep.trial(following)  # of this nobody hears
        other = machine(tmp_path, f"other-{number}")
        with lost(remote, other):
            assert trials(other / "ecg" / "study.db") == known
            assert read(other).trials.equals(told.trials)
            assert read(other).curves.equals(told.curves)
            assert len(known) == 5 + 3 * number, "two that were not over went on"


def test_at_its_end_a_sweep_leaves_studies_and_tables_whole(remote, out):
    with mirrored(remote, out) as following:
        (out / "sweep.json").touch()
        sweep = Sweep(out)
        sweep.trial(following)
        following.push(whole=False)
        assert [name for name in remote.files() if "parts/study-" in name]
        sweep.tables.close()
    found = {name for name in remote.files() if name.startswith("ecg/")}
    assert found == {"ecg/study.db", "ecg/trials.parquet", "ecg/curves.parquet"}
    assert not (out / "ecg" / "parts").exists()


def test_what_is_pushed_follows_what_happened(remote, out, monkeypatch):
    pushed, push = [], Folder.push

    def counted(self, path, name):
        pushed.append((name, path.stat().st_size))
        push(self, path, name)

    with mirrored(remote, out) as following:
        following._over.set()
        (out / "sweep.json").touch()
        sweep = Sweep(out)
        for _ in range(150):
            sweep.trial(following)
        following.push(whole=False)
        monkeypatch.setattr(Folder, "push", counted)
        for _ in range(2):
            pushed.clear()
            sweep.trial(following)
            following.push(whole=False)
        assert {name.partition("/")[0] for name, _ in pushed} == {"ecg", "tb"}
        assert {name.split("/")[2] for name, _ in pushed if name.startswith("tb/")} == {"pare-0151"}
        assert "ecg/study.db" not in dict(pushed)
        assert len(pushed) <= 4, "the run, and the journals of two tables and the study; whatever was sealed stays"
