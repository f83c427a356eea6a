"""Processes of trials that are killed: the trial goes on from its checkpoint, and nothing that it held stays taken."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from pare.reporting import read
from pare.search import command, tune
from sweeps import nas360
from tests.faults.session import Session, checkpoints, running, workers

pytestmark = [pytest.mark.ray, pytest.mark.faults]
ACTOR, WORKER = "ResourceTrainable", "RayTrainWorker"


def options(root, trials, epochs, *more):
    small = ["--tasks", "ecg", "--preset", "laptop", "--seeds", "1", "--scheduler", "none"]
    return [*small, "--trials", trials, "--epochs", epochs, "--data-root", root, *more]


def all_is_well(out, trials, epochs):
    """Every trial whole, once, its curve without a gap, none left RUNNING."""
    study = read(out)
    assert sorted(study.trials.trial) == sorted(trials)
    assert set(study.trials.state) == set(study.confirm.state) == {"complete"}
    for _, curve in study.curves.groupby("trial"):
        assert list(curve.epoch) == list(range(1, epochs + 1))
        assert curve.seconds.is_monotonic_increasing
    assert running(out) == []
    return True


def test_two_actors_at_once(root, tmp_path):
    arguments = options(root, 2, 12, "--max-concurrent", 2)
    with Session(tmp_path, *arguments) as session:
        # On a busy machine the second may not have come to a checkpoint, and a moment later one may have ended.
        victims = session.wait_for(
            lambda: checkpoints(tmp_path) and len(both := session.actors(ACTOR)) == 2 and both  # the same look
        )
        assert victims
        for process in victims:
            process.kill()
        code, _, errors = session.end()
    assert (code, errors) == (0, "")
    assert all_is_well(tmp_path, ["pare-0000", "nft-0001"], epochs=12)


def test_a_worker_of_a_group_then_the_actor_that_follows_one(root, tmp_path):
    """A dead worker is Ray Train's to replace; the group of a dead actor must go before its trial's next one fits."""
    arguments = options(root, 1, 3, "--workers-per-trial", 2, "--max-concurrent", 1)
    with Session(tmp_path, *arguments) as session:
        assert session.wait_for(lambda: ("pare-0000", 1) in checkpoints(tmp_path))
        group = session.actors(WORKER)
        group[-1].kill()
        assert session.wait_for(lambda: ("confirm-pare-1", 1) in checkpoints(tmp_path))
        (actor,) = session.actors(ACTOR)
        actor.kill()
        code, _, errors = session.end()
    assert len(group) == 2
    assert (code, errors) == (0, "")
    assert all_is_well(tmp_path, ["pare-0000"], epochs=3)


def raylet(node):
    """The process of a node that starts its workers."""
    return node.all_processes["raylet"][0].process.pid


def announce(cluster, node):
    """Tell Ray that a node will be taken away in a minute."""
    script = Path(sys.executable).with_name("ray")
    reason = [
        "--reason",
        "DRAIN_NODE_REASON_PREEMPTION",
        "--reason-message",
        "spot",
        "--deadline-remaining-seconds",
        "60",
    ]
    command = [script, "drain-node", "--address", cluster.address, "--node-id", node.node_id, *reason]
    subprocess.run(command, check=True, capture_output=True)


def strike_in_mid_trial(strike, root, out):
    """Sweep on two nodes of a CPU and a head of none, as where only workers train; one that has a trial is struck."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        struck = []

        def wait():
            while not struck:
                time.sleep(0.05)
                if checkpoints(out):
                    struck.extend(node for node in nodes if workers(raylet(node), ACTOR))
            strike(cluster, struck[0])

        striker = threading.Thread(target=wait, daemon=True)
        striker.start()
        arguments = options(root, 1, 6, "--max-concurrent", 1, "--address", cluster.address, "--out", out)
        assert command.main("nas360", "", nas360.PRESETS, [str(argument) for argument in arguments]) == 0
        assert len(struck) == 1
        striker.join()
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert all_is_well(out, ["pare-0000"], epochs=6)


def test_a_node_that_dies(root, tmp_path):
    """Its trial goes on elsewhere."""
    strike_in_mid_trial(lambda cluster, node: cluster.remove_node(node, allow_graceful=False), root, tmp_path)


def test_a_node_that_is_to_go(root, tmp_path, monkeypatch):
    """Its trial goes on elsewhere, before the node is gone; that does not count as a failure."""
    monkeypatch.setattr(tune, "RETRIES", 0)
    left = []

    def strike(cluster, node):
        announce(cluster, node)
        while workers(raylet(node), ACTOR):
            time.sleep(0.05)
        left.append(node)

    strike_in_mid_trial(strike, root, tmp_path)
    assert left
