"""Nodes that share no disk: each has a file system of its own where the sweep has its files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
from ray.cluster_utils import Cluster

from pare.bucket import Folder
from pare.reporting import read
from pare.search import command
from sweeps import nas360
from tests.cluster.lab.lab import wait

pytestmark = [pytest.mark.ray, pytest.mark.faults]
RAY = Path(sys.executable).with_name("ray")
SMALL = ["--tasks", "ecg", "--trials", "1", "--epochs", "2", "--seeds", "1", "--preset", "laptop"]
APART = 'mount -t tmpfs none "$0" && exec "$1" start --address="$2" --num-cpus=1 --block --disable-usage-stats'


@pytest.fixture(scope="module")
def apart(tmp_path_factory, s3_environment):
    """A Ray whose head has no CPUs and whose two nodes have a disk of their own at `place`."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root on Linux, to mount something else")
    place = tmp_path_factory.mktemp("apart")
    environment = {**s3_environment, "PARE_DATA": str(place / "cache")}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    arguments = ["unshare", "--mount", "sh", "-c", APART, str(place), str(RAY), cluster.address]
    nodes = []
    try:
        ray.init(address=cluster.address, logging_level="error", log_to_driver=False)
        for count in (2, 3):  # one after another, or both might choose the same ports
            silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            nodes.append(subprocess.Popen(arguments, env=os.environ | environment, **silent))
            wait("a node", lambda count=count: sum(node["Alive"] for node in ray.nodes()) == count, 240)
        ray.shutdown()
        yield SimpleNamespace(address=cluster.address, place=place)
    finally:
        ray.shutdown()
        for node in nodes:
            node.terminate()
        for node in nodes:
            node.wait(60)
        cluster.shutdown()


@pytest.fixture
def sweep(apart, monkeypatch):
    """Runs the script there."""
    monkeypatch.setenv("PARE_DATA", str(apart.place / "cache"))
    monkeypatch.setenv("PARE_RUNS", str(apart.place / "runs"))

    def run(out, data, *more):
        places = ["--address", apart.address, "--out", out, "--data-root", data]
        return command.main("nas360", "", nas360.PRESETS, [str(a) for a in (*SMALL, *places, *more)])

    return run


def told(capsys):
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


def test_a_directory_that_not_all_see_is_refused(sweep, apart, root, capsys):
    out = apart.place / "out"
    assert sweep(out, root) == 2
    line = told(capsys)
    assert f"--out is '{out}': " in line
    assert "does not see this directory; give a folder in a bucket, such as s3://bucket/run" in line
    assert not (out / "sweep.json").exists()


def test_official_files_that_not_all_have_are_told_before_any_trial(sweep, apart, root, store_url, capsys):
    data = apart.place / "data"
    shutil.copytree(root / "ecg" / "raw", data / "ecg" / "raw")
    assert sweep(f"{store_url}/run", data) == 2
    assert f"--data-root is '{data}': " in (line := told(capsys))
    assert "lacks the official files of ecg there; give a folder in a bucket" in line


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bucket_is_all_that_they_need(workers, sweep, root, store_url):
    remote, data = Folder(f"{store_url}/run"), Folder(f"{store_url}/data")
    for path in (root / "ecg" / "raw").iterdir():
        data.push(path, f"ecg/raw/{path.name}")
    assert sweep(remote.url, data.url, "--workers-per-trial", workers) == 0
    out = remote.workspace
    assert list(read(out).trials.state) == list(read(out).confirm.state) == ["complete"]
    assert (out / "ecg" / "best" / "model.safetensors").exists()
    assert not (out / "ecg" / "running").exists()
    assert not [name for name in remote.files() if "running" in name]
