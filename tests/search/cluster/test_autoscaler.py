"""The nodes that an autoscaler may start by the shipped YAMLs, and how a running one is detected."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import requests
import yaml
from ray.autoscaler._private.kuberay.node_provider import KubernetesHttpApiClient
from ray.autoscaler._private.local.config import prepare_local

from pare.search.cluster import autoscaler
from pare.search.cluster.autoscaler import HEAD
from tests.cluster.rules import REPOSITORY

L4 = {"CPU": 4.0, "GPU": 1.0}
A_HEAD = {HEAD: 1.0, "CPU": 0.0}


def node(resources, alive=True):
    return {"Alive": alive, "Resources": resources}


def shipped(name):
    return yaml.safe_load((REPOSITORY / "cluster" / name).read_text())


def test_twins_share_the_cluster_s_maximum():
    gcp = autoscaler.parse(shipped("gcp.yaml"))
    assert gcp.on_demand
    assert gcp.reach([node(A_HEAD)]) == [A_HEAD, *[L4] * 4]
    assert gcp.reach([node(A_HEAD), node(L4), node(L4, alive=False)]) == [A_HEAD, *[L4] * 4]


def test_the_largest_machines_come_first():
    config = shipped("gcp.yaml")
    config["available_node_types"]["large"] = {"resources": {"CPU": 96, "GPU": 8}, "max_workers": 1}
    reach = autoscaler.parse(config).reach([node(A_HEAD)])
    assert reach == [A_HEAD, {"CPU": 96.0, "GPU": 8.0}, *[L4] * 3]


def test_own_machines_start_unasked_and_count_as_the_largest_there():
    own = autoscaler.parse(prepare_local(shipped("onprem.yaml"))[0])
    assert not own.on_demand
    assert own.most == 2
    assert own.reach([node(A_HEAD), node(L4)]) == [A_HEAD, L4, L4]
    assert own.reach([node(A_HEAD), node(L4), node({"CPU": 8.0})]) == [A_HEAD, {"CPU": 8.0}, L4]


@pytest.fixture
def address(monkeypatch):
    monkeypatch.setattr(autoscaler.ray, "get_runtime_context", lambda: SimpleNamespace(gcs_address="10.0.0.1:6379"))
    return "10.0.0.1:6379"


def test_the_file_of_the_running_process_counts(address, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(shipped("gcp.yaml")))
    command = [sys.executable, "-c", "input()", f"--gcs-address={address}"]
    assert autoscaler.at_work() is None
    fixed = subprocess.Popen(command, stdin=subprocess.PIPE)  # as of a head that was started by hand
    assert autoscaler.at_work() is None
    scales = subprocess.Popen([*command, f"--autoscaling-config={path}"], stdin=subprocess.PIPE)
    assert autoscaler.at_work() == autoscaler.parse(shipped("gcp.yaml"))
    for process in (fixed, scales):
        process.communicate(b"\n")
    assert autoscaler.at_work() is None


@pytest.fixture
def pod(address, monkeypatch, tmp_path):
    """A head's pod; gives what sets KubeRay's answer."""
    namespace = tmp_path / "namespace"
    namespace.write_text("research\n")
    monkeypatch.setattr(autoscaler, "NAMESPACE", namespace)
    monkeypatch.setenv("RAY_CLUSTER_NAME", "pare-x7")

    def answer(cluster):
        def start(client, namespace):
            client._namespace = namespace

        def get(client, path):
            assert (client._namespace, path) == ("research", "rayclusters/pare-x7")
            if isinstance(cluster, Exception):
                raise cluster
            return cluster

        monkeypatch.setattr(KubernetesHttpApiClient, "__init__", start)
        monkeypatch.setattr(KubernetesHttpApiClient, "get", get)

    return answer


def test_kuberay_s_groups_are_read_from_the_cluster(pod):
    spec = shipped("kuberay.yaml")["spec"]["rayClusterSpec"]
    cluster = {"metadata": {"name": "pare-x7", "namespace": "research"}, "spec": spec}
    pod(cluster)
    found = autoscaler.at_work()
    assert found.on_demand
    assert [(each["CPU"], each["GPU"]) for each in found.reach([])] == [(4, 1)] * 4
    pod({**cluster, "spec": {**spec, "enableInTreeAutoscaling": False}})
    assert autoscaler.at_work() is None
    pod(requests.HTTPError("403"))
    assert autoscaler.at_work() is None
