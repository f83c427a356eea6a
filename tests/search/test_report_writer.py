"""The report of a sweep: what studies and request add to it, and when it is written."""

import io
import json
import re
import shutil
import signal
import time
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from pare import tasks
from pare.reporting.tables import Tables
from pare.search import report_writer as module
from pare.search.report_writer import ReportWriter, command, importance
from pare.search.request import Request
from pare.search.study.storage import Database
from tests.reporting.fakes import record, run


def trial(number, lr, values, method="pare", **more):
    """An ended trial whose value after each epoch is given."""
    params = {"lr": lr, "warmup": 0.1 * (number % 3), **more}
    return optuna.create_trial(
        state=TrialState.COMPLETE if len(values) == 3 else TrialState.PRUNED,
        value=values[-1],
        params=params,
        distributions=dict.fromkeys(params, FloatDistribution(0.0, 1.0)),
        intermediate_values=dict(enumerate(values, start=1)),
        user_attrs={"method": method},
    )


def test_importance_finds_the_setting_that_matters():
    trials = [trial(n, lr := n / 10, [lr, lr, lr][: 1 + n % 3]) for n in range(10)]
    found = importance("minimize", "pare", trials)
    assert set(found.shares) == {"lr", "warmup"}
    assert found.shares["lr"] > 0.8
    assert sum(found.shares.values()) == pytest.approx(1)
    assert "6 trials of pare, by their best validation metric after epoch 2;" in found.note, "half reached that"


def test_importance_compares_like_with_like():
    whole = [trial(n, n / 10, [0.9, 0.5, n / 10]) for n in range(7)]
    others = [trial(n, 0.5, [0.1], method="nft") for n in range(9)]
    found = importance("minimize", "pare", [*whole, *others])
    assert "7 trials of pare, by their best validation metric after epoch 3" in found.note


@pytest.mark.parametrize(
    "trials",
    [[], [trial(n, n / 10, [n / 10]) for n in range(5)], [trial(n, n / 10, [0.5]) for n in range(9)]],
    ids=["none", "few", "all alike"],
)
def test_importance_is_not_made_up(trials):
    assert importance("minimize", "pare", trials) is None


def asked(folder, **changes):
    request = {**asdict(Request()), **changes}
    machine = {"system": "Linux", "resources": {}}
    manifest = {"request": request, "versions": {}, "commit": None, "machine": machine}
    (folder / "sweep.json").write_text(json.dumps(manifest))
    return command(folder, "nas360")


def test_the_command_line_has_what_was_asked_for_and_no_more(tmp_path):
    assert asked(tmp_path) == "python sweeps/nas360.py"
    line = asked(tmp_path, tasks=["ecg", "darcy"], trials=4, warm_start=False, fresh=True, out="runs/a b")
    assert line == "python sweeps/nas360.py --tasks ecg darcy --trials 4 --out 'runs/a b' --fresh --no-warm-start"


def test_the_command_line_is_that_which_was_given_with_the_options_of_one_script_alone(tmp_path):
    asked(tmp_path, trials=4)
    manifest = json.loads((tmp_path / "sweep.json").read_text())
    own = {"data": "a b.npz", "label": None, "drop": [], "name": "sensor", "tasks": ["sensor"]}
    for program, line in (
        ("pare own", "pare own --trials 4 --data 'a b.npz' --name sensor"),
        ("python mine.py", "python mine.py --trials 4 --data 'a b.npz' --name sensor"),
        ("pare.sweep", "pare.sweep(x, y, trials=4, data='a b.npz', name='sensor')"),
    ):
        request = {**manifest["request"], **own}
        (tmp_path / "sweep.json").write_text(json.dumps({**manifest, "program": program, "request": request}))
        assert command(tmp_path, "own") == line


def study_of(folder, trials, left=0):
    """A task's study in a database."""
    url = f"sqlite:///{folder}/study.db"
    database = Database("ecg", url, "minimize")
    for number, each in enumerate(trials):
        each.number = number
        database.add(each)
    database.settle()
    return SimpleNamespace(methods=("pare",), name="ecg", storage=url, ended=lambda: trials, left=left)


def swept(folder, left=0):
    """A sweep of ten trials and the writer of its report."""
    asked(folder)
    trials = [trial(n, lr := n / 10, [lr, lr, lr]) for n in range(10)]
    run(tables := Tables(folder), record())
    tables.close()
    plan = SimpleNamespace(task=tasks.get("ecg"), study=study_of(folder, trials, left))
    return ReportWriter(folder, "nas360", [plan])


def wait_for(writer):
    writer._child.wait(120)
    writer.end(None)


def test_a_process_of_its_own_writes_the_report_that_this_one_would(tmp_path):
    writer = swept(tmp_path, left=3)
    writer.end(None)
    wait_for(writer)
    theirs = (tmp_path / "report.html").read_text()
    writer.write()
    own = (tmp_path / "report.html").read_text()
    assert "3 search trials still to end" in theirs
    assert "fANOVA: share of the variance" in theirs
    assert re.sub(r"written [0-9: -]+", "", theirs) == re.sub(r"written [0-9: -]+", "", own)


def test_the_process_of_a_report_dies_with_its_driver(tmp_path):
    """A driver that is killed leaves nobody who writes below its OUT."""
    writer = swept(tmp_path)
    writer._start()
    writer._child.stdin.close()  # as the kernel does for the dead
    assert writer._child.wait(120) == 1
    assert not (tmp_path / "report.html").exists()


def test_a_sweep_that_ends_waits_for_no_report(tmp_path):
    writer = swept(tmp_path)
    writer.end(None)
    child = writer._child
    writer.close()
    assert child.returncode == -signal.SIGKILL
    assert not list(tmp_path.glob(".report*"))


def test_a_report_that_cannot_be_written_is_told(tmp_path):
    writer = swept(tmp_path)
    (tmp_path / "ecg" / "trials.parquet").write_bytes(b"nothing")
    writer.end(None)
    with pytest.warns(UserWarning, match=r"report\.html was not written: .*trials\.parquet is damaged"):
        wait_for(writer)


def test_a_process_that_dies_at_once_is_told_too(tmp_path, monkeypatch):
    writer = swept(tmp_path)
    monkeypatch.setattr(module.sys, "executable", shutil.which("false"))
    writer.end(None)
    with pytest.warns(UserWarning, match=r"report\.html was not written: its process died"):
        wait_for(writer)


def test_the_report_is_written_at_most_every_so_often(tmp_path, monkeypatch):
    asked(tmp_path)
    now, started = [0.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    writer = ReportWriter(tmp_path, "nas360", [])
    done = SimpleNamespace(poll=lambda: 0, returncode=0, communicate=lambda: None)

    def start():
        started.append(now[0])
        writer._child, writer._errors, writer._began = done, io.BytesIO(), now[0]

    monkeypatch.setattr(writer, "_start", start)
    for now[0] in (0.0, 1.0, 29.0, 31.5, 40.0, 241.0, 242.0):
        writer.end(None)
    assert started == [0.0, 31.5, 241.0], "the second was seen to end after 8.5 s, and 20 times as long passed"


def test_importance_of_many_trials_is_quick():
    """fANOVA takes 40 s for a thousand."""
    random = np.random.default_rng(0)
    trials = [trial(n, lr := random.random(), [lr, lr, lr]) for n in range(3000)]
    began = time.process_time()
    found = importance("minimize", "pare", trials)
    assert time.process_time() - began < 5
    assert "PED-ANOVA" in found.note
    assert found.shares["lr"] > 0.9
