"""Worker groups on a cluster of several machines: one machine holds a group where it can."""

import pytest
import ray
import torch.distributed as dist
from ray.cluster_utils import Cluster

from pare.search.cluster import connection
from pare.training.launch import Launch
from pare.training.workers import Workers

pytestmark = [pytest.mark.ray, pytest.mark.faults]


def tell_the_nodes(report):
    nodes = [None, None]
    dist.all_gather_object(nodes, ray.get_runtime_context().get_node_id())
    if dist.get_rank() == 0:
        report({"epoch": 1, "nodes": nodes})


@pytest.fixture
def machines():
    """Three machines beside the head: two of one CPU, and then one of two."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": True})
    nodes = [cluster.add_node(num_cpus=cpus) for cpus in (1, 1, 2)]
    connection.connect(cluster.address)
    cluster.wait_for_nodes()
    yield [node.node_id for node in nodes]
    ray.shutdown()
    cluster.shutdown()


def test_a_group_of_two_workers_is_packed_onto_the_machine_that_holds_both(machines, tmp_path):
    first = Launch(tell_the_nodes, Workers(2), "first", str(tmp_path))
    assert first.next()["nodes"] == [machines[-1]] * 2
    second = Launch(tell_the_nodes, Workers(2), "second", str(tmp_path))
    assert set(second.next()["nodes"]) == set(machines[:2]), "the other machines hold the second one together"
    for group in (first, second):
        group.stop()
