"""Placement groups on a real Ray: those whose owner died go, all others stay."""

import time

import pytest
import ray
from ray.util.placement_group import placement_group

from pare.search.cluster import connection
from pare.search.cluster.placement_groups import remove_orphans


@pytest.fixture(scope="module")
def three_cpus():
    connection.connect(None, num_cpus=3, include_dashboard=False)
    yield
    ray.shutdown()


class Owner:
    def make(self):
        self.group = placement_group([{"CPU": 1}])
        ray.get(self.group.ready())
        return self.group.id.hex()


def states():
    return {name: group["state"] for name, group in ray.util.placement_group_table().items()}


@pytest.mark.ray
def test_only_the_group_of_a_dead_owner_goes(three_cpus):
    own = placement_group([{"CPU": 1}])
    ray.get(own.ready())
    owners = [ray.remote(num_cpus=0)(Owner).remote() for _ in range(2)]
    alive, orphan = ray.get([owner.make.remote() for owner in owners])
    assert remove_orphans() == 0
    ray.kill(owners[1])
    until = time.monotonic() + 60
    while remove_orphans() == 0:
        assert states()[orphan] == "CREATED", "Ray itself keeps it"
        assert time.monotonic() < until
        time.sleep(0.1)
    assert states() == {own.id.hex(): "CREATED", alive: "CREATED", orphan: "REMOVED"}
    assert remove_orphans() == 0
