"""Nodes that share no disk: each sees a file system of its own where the sweep has its files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

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


@pytest.fixture
def address(tmp_path, store_url, cache):
    """A Ray whose head has no CPUs and whose two nodes find nothing, for good, below `tmp_path`."""
    if os.geteuid() != 0 or not shutil.which("unshare") or sys.platform != "linux":
        pytest.skip("needs root on Linux, to mount something else")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    line = 'mount -t tmpfs none "$0" && exec "$1" start --address="$2" --num-cpus=1 --block --disable-usage-stats'
    arguments = ["unshare", "--mount", "sh", "-c", line, str(tmp_path), str(RAY), cluster.address]
    nodes = []
    try:
        ray.init(address=cluster.address, logging_level="error", log_to_driver=False)
        for count in (2, 3):  # one after another, or both might choose the same ports
            nodes.append(subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            wait("a node", lambda count=count: sum(node["Alive"] for node in ray.nodes()) == count, 120)
        ray.shutdown()
        yield cluster.address
    finally:
        ray.shutdown()
        for node in nodes:
            node.terminate()
        for node in nodes:
            node.wait(60)
        cluster.shutdown()


def sweep(*arguments):
    return command.main("nas360", nas360.__doc__, nas360.PRESETS, [str(a) for a in arguments])


def told(capsys):
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


def test_a_directory_that_not_all_see_is_refused(address, root, tmp_path, capsys):
    assert sweep(*SMALL, "--address", address, "--out", tmp_path / "out", "--data-root", root) == 2
    line = told(capsys)
    assert f"--out is '{tmp_path / 'out'}': " in line
    assert "does not see this directory; give a folder in a bucket, such as s3://bucket/run" in line
    assert not (tmp_path / "out" / "sweep.json").exists()


def test_official_files_that_not_all_have_are_told_before_any_trial(address, root, tmp_path, store_url, capsys):
    data = tmp_path / "data"
    shutil.copytree(root / "ecg" / "raw", data / "ecg" / "raw")
    assert sweep(*SMALL, "--address", address, "--out", f"{store_url}/run", "--data-root", data) == 2
    assert f"--data-root is '{data}': " in (line := told(capsys))
    assert "lacks the official files of ecg there; give a folder in a bucket" in line


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bucket_is_all_that_they_need(workers, address, root, tmp_path, store_url, cache):
    remote, data = Folder(f"{store_url}/run"), Folder(f"{store_url}/data")
    for path in (root / "ecg" / "raw").iterdir():
        data.push(path, f"ecg/raw/{path.name}")
    places = ["--address", address, "--out", remote.url, "--data-root", data.url, "--workers-per-trial", workers]
    assert sweep(*SMALL, *places) == 0
    out = remote.workspace
    assert list(read(out).trials.state) == list(read(out).confirm.state) == ["complete"]
    assert (out / "ecg" / "best" / "model.safetensors").exists()
    assert not (out / "ecg" / "running").exists()
    assert not [name for name in remote.files() if "running" in name]
