"""An error in the driver ends the session and no trial; an error in a trial ends that trial alone."""

import errno
import sqlite3
from types import SimpleNamespace

import optuna
import pytest
import ray
from optuna.exceptions import StorageInternalError
from ray.cluster_utils import Cluster

from pare.reporting import read, tables
from pare.reporting.tensorboard.writer import TensorBoard
from pare.search import command
from pare.search.study.study import Study
from sweeps import nas360
from tests.faults.session import frozen, running

pytestmark = [pytest.mark.ray, pytest.mark.faults]


@pytest.fixture(scope="module")
def address():
    """A Ray of one CPU that outlives its drivers."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster.address
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def faulty(address, root, tmp_path_factory):
    """One sweep, session after session, each with another fault; the last comes to its end."""
    out = tmp_path_factory.mktemp("faulty") / "out"
    small = ["--tasks", "ecg", "--trials", "2", "--epochs", "2", "--seeds", "1", "--preset", "laptop"]
    arguments = [*small, "--address", address, "--data-root", str(root), "--out", str(out)]
    ended = []
    for fault in (an_observer_raises, no_space_for_a_table, no_space_for_the_study, the_loss_diverges):
        with pytest.MonkeyPatch.context() as patch:
            fault(patch)
            try:
                code = command.main("nas360", "", nas360.PRESETS, arguments)
            except Exception as error:
                code = error
        ended.append(SimpleNamespace(code=code, running=running(out), states=[t.state.name for t in frozen(out)]))
    return SimpleNamespace(out=out, ended=ended)


def an_observer_raises(patch):
    def epoch(*_):
        raise RuntimeError("no such colour")

    patch.setattr(TensorBoard, "epoch", epoch)


def no_space_for_a_table(patch):
    """Fail when the row of an ended trial is written."""
    end = tables.Tables.end

    def full(self, record):
        patch.setattr(tables.pq, "write_table", no_space)
        end(self, record)

    patch.setattr(tables.Tables, "end", full)


def no_space(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def no_space_for_the_study(patch):
    def tell(*_, **__):
        raise StorageInternalError("the commit failed") from sqlite3.OperationalError("database or disk is full")

    patch.setattr(optuna.Study, "tell", tell)


def the_loss_diverges(patch):
    """Fail in the second trial, whatever its study proposes."""
    ask = Study.ask

    def ask_too_much(*arguments, **options):
        asked = ask(*arguments, **options)
        if asked is None or asked.number != 1:
            return asked
        huge = {f"optimizer.lr.{group}": 1e30 for group in ("embedder", "body", "gate", "heads")}
        return asked._replace(run=asked.run.replace(huge))

    patch.setattr(Study, "ask", ask_too_much)


def test_an_observer_that_raises_ends_the_sitting_and_no_trial(faulty):
    session = faulty.ended[0]
    assert isinstance(session.code, RuntimeError)
    assert str(session.code) == "no such colour"
    assert session.running == [0]


@pytest.mark.parametrize("session", [1, 2])
def test_a_full_disk_in_the_driver_ends_the_sitting_and_no_trial(faulty, session):
    assert faulty.ended[session].code == 1
    assert faulty.ended[session].running == [0]


def test_a_loss_that_diverges_fails_its_trial_alone(faulty):
    session = faulty.ended[3]
    assert session.code == 0
    assert session.states == ["COMPLETE", "FAIL"]
    study = read(faulty.out)
    by_name = study.trials.set_index("trial")
    assert by_name.state.to_dict() == {"pare-0000": "complete", "nft-0001": "failed"}
    assert by_name.why["nft-0001"] == "the loss became nan in epoch 1"
    assert frozen(faulty.out)[1].user_attrs["why"] == "the loss became nan in epoch 1"
    assert list(study.confirm.trial) == ["confirm-pare-1"]
    assert (faulty.out / "leaderboard.md").exists()


def test_after_all_that_nothing_is_running(faulty):
    assert faulty.ended[3].running == []
    assert list(read(faulty.out).curves.query("trial == 'pare-0000'").epoch) == [1, 2]
