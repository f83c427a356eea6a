"""A sweep at work pushes files to its bucket, and another machine takes over from them."""

import contextlib

from pare import tasks
from pare.bucket import Folder
from pare.config import Run
from pare.reporting import read
from pare.reporting.tables import Tables
from pare.reporting.tensorboard.writer import TensorBoard
from pare.search.output import lease
from pare.search.study import space
from pare.search.study.journal import StudyJournal
from pare.search.study.storage import read_trials
from pare.search.study.study import Study
from tests.reporting.fakes import figures, record
from tests.search.output.machines import machine, mirrored

RUN = Run(task="ecg", data="d", body="roberta-mini", source="signals", source_data="s", epochs=3)


class Sweep:
    """A study and its tables as a sweep tells them."""

    def __init__(self, out):
        self.folder = out / "ecg"
        self.folder.mkdir(exist_ok=True)
        url, searched = f"sqlite:///{self.folder}/study.db", space.for_run(RUN, "1d")
        own = StudyJournal(self.folder / "parts")
        self.study = Study("ecg", url, "minimize", RUN, searched, ("pare",), 10_000, 0, "random", journal=own)
        self.tables, self.board = Tables(out), TensorBoard(out, {tasks.get("ecg"): searched.domains()})

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
    following._lease.stop()
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
