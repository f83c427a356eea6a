"""A driver that dies or is interrupted at any moment: the same command goes on, and loses and repeats nothing."""

import shutil
from types import SimpleNamespace

import pytest

from pare.data import store
from pare.reporting import read
from tests.faults.session import Session, checkpoints, frozen, running

pytestmark = [pytest.mark.ray, pytest.mark.faults]
SMALL = ["--tasks", "ecg", "--trials", "2", "--epochs", "3", "--seeds", "1", "--preset", "laptop"]
GOES_ON = "interrupted: the same command goes on from here"


@pytest.fixture(scope="module")
def unlucky(root, tmp_path_factory):
    """A sweep that is killed in its first trial, finds a checkpoint damaged, and is interrupted in a confirmation."""
    out = tmp_path_factory.mktemp("unlucky") / "out"
    arguments = [*SMALL, "--max-concurrent", "1", "--data-root", root]
    killed = SimpleNamespace()
    with Session(out, *arguments) as session:
        assert session.wait_for(lambda: ("pare-0000", 2) in checkpoints(out))
        killed.processes = len(session.processes())
        killed.left, _ = session.kill()
    killed.unfinished, killed.checkpoints = running(out), checkpoints(out)
    newest = max(epoch for _, epoch in killed.checkpoints)
    damaged = out / "ecg" / "running" / "pare-0000" / f"epoch-{newest:05d}.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:5000])

    interrupted = SimpleNamespace()
    with Session(out, *arguments) as session:
        assert session.wait_for(lambda: ("confirm-pare-1", 1) in checkpoints(out))
        session.press_ctrl_c()
        interrupted.code, interrupted.said, interrupted.errors = session.end()
        interrupted.left = session.processes()
    interrupted.unfinished, interrupted.checkpoints = running(out), checkpoints(out)

    with Session(out, *arguments) as session:
        ended = session.end()
    return SimpleNamespace(out=out, killed=killed, interrupted=interrupted, ended=ended)


def test_a_killed_driver_leaves_no_process(unlucky):
    assert unlucky.killed.processes > 5
    assert unlucky.killed.left == []


def test_a_killed_driver_leaves_its_trial_to_be_taken_up(unlucky):
    assert unlucky.killed.unfinished == [0]


def test_ctrl_c_in_a_confirmation_says_that_it_goes_on(unlucky):
    interrupted = unlucky.interrupted
    assert (interrupted.code, interrupted.errors) == (130, "")
    assert interrupted.said.splitlines()[-1] == GOES_ON
    assert interrupted.left == []
    assert interrupted.unfinished == []
    assert ("confirm-pare-1", 1) in interrupted.checkpoints


def test_every_trial_ends_once(unlucky):
    code, _, errors = unlucky.ended
    assert (code, errors) == (0, "")
    assert running(unlucky.out) == []
    study = read(unlucky.out)
    assert sorted(study.trials.trial) == ["nft-0001", "pare-0000"]
    assert set(study.trials.state) <= {"complete", "pruned"}
    assert len(frozen(unlucky.out)) == 2
    assert sorted(study.confirm.trial) == ["confirm-nft-1", "confirm-pare-1"]
    assert study.confirm.test.notna().all()
    curves = study.curves
    for table in (study.trials, study.confirm):
        for _, trial in table.iterrows():
            assert list(curves[curves.trial == trial.trial].epoch) == list(range(1, trial.epochs + 1))


def test_a_confirmation_goes_on_from_its_checkpoint(unlucky):
    """Time spent before the interruption is kept; an epoch begun again from the start would lose it."""
    curve = read(unlucky.out).curves.query("trial == 'confirm-pare-1'")
    assert curve.seconds.is_monotonic_increasing
    assert (unlucky.out / "ecg" / "best" / "model.safetensors").exists()


def test_ctrl_c_while_data_is_prepared(root, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(root / "ecg" / "raw", data / "ecg" / "raw")
    with Session(tmp_path / "out", *SMALL, "--data-root", data) as session:
        assert session.wait_for(lambda: any((data / "signals").glob(f"{store._PARTIAL}*")))
        session.press_ctrl_c()
        code, said, errors = session.end()
        left = session.processes()
    assert (code, errors) == (130, "")
    assert said.splitlines()[-1] == GOES_ON
    assert left == []
    assert not list(data.rglob(f"{store._PARTIAL}*"))
