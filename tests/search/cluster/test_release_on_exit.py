"""A killed process's request to a real Ray's autoscaler is withdrawn."""

import subprocess
import sys
import time

import pytest
import ray
from ray._private.worker import global_worker
from ray.autoscaler.v2.sdk import get_cluster_resource_state

from pare.search.cluster import connection

SWEEP = """
import sys, ray
from ray.autoscaler.sdk import request_resources
from pare.search.cluster.release_on_exit import ReleaseOnExit
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="error")
with ReleaseOnExit(sys.argv[1]):
    request_resources(bundles=[{"CPU": 7}])
    print("asked", flush=True)
    input()
"""


@pytest.fixture
def address(monkeypatch):
    monkeypatch.setenv("RAY_enable_autoscaler_v2", "1")  # as `ray up` has it
    connection.connect(None, num_cpus=1, include_dashboard=False)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


def asked():
    state = get_cluster_resource_state(global_worker.gcs_client)
    requests = [each for constraint in state.cluster_resource_constraints for each in constraint.resource_requests]
    return [each.request.resources_bundle["CPU"] for each in requests]


@pytest.mark.ray
def test_what_a_killed_sweep_asked_for_is_let_go(address):
    def sweep():
        process = subprocess.Popen(
            [sys.executable, "-c", SWEEP, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "asked\n"
        return process

    killed = sweep()
    assert asked() == [7]
    killed.kill()
    until = time.monotonic() + 60
    while asked():
        assert time.monotonic() < until
        time.sleep(0.2)
    over = sweep()
    over.communicate("\n", timeout=60)
    assert asked() == [7], "one that ends by itself says what it no longer needs"
