"""Connecting to a Ray, and dividing it; what needs a living one is in tests/sweeps and tests/faults."""

import re

import pytest
import ray

from pare.errors import ClusterError, RequestError
from pare.search.cluster import connection
from pare.search.request import Request
from pare.training.workers import Workers


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_listens_is_told_at_once(unused_port, scheme):
    address = f"{scheme}127.0.0.1:{unused_port()}"
    with pytest.raises(RequestError, match=rf"--address is '{address}': no Ray answers there"):
        connection.connect(address)


@pytest.mark.parametrize("address", ["nowhere", "host:port"])
def test_what_is_no_address_is_told(address):
    with pytest.raises(RequestError, match=r"no Ray answers there"):
        connection.connect(address)


@pytest.mark.parametrize("error", [RuntimeError, Exception])
def test_a_ray_that_does_not_start_is_told(error, monkeypatch):
    def init(**_):
        raise error("Timed out while waiting\nfor GCS")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ClusterError, match=r"Ray did not start \(Timed out while waiting for GCS\)"):
        connection.connect(None)


@pytest.mark.ray
def test_a_directory_too_long_for_ray_is_told_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / ("long" * 25)))
    with pytest.raises(RequestError, match="set RAY_TMPDIR to a short one") as error:
        connection.connect(None, num_cpus=1)
    assert "\n" not in str(error.value)


LAPTOP, TWO_GPU_NODES = [{"CPU": 8.0}], [{"CPU": 16.0, "GPU": 4.0}, {"CPU": 16.0, "GPU": 4.0}]


@pytest.mark.parametrize(
    ("nodes", "options", "expected"),
    [
        (LAPTOP, {}, (Workers(1, 1, 0), 8)),
        (LAPTOP, {"max_concurrent": 3}, (Workers(1, 2, 0), 3)),
        (LAPTOP, {"max_concurrent": 1}, (Workers(1, 8, 0), 1)),
        (LAPTOP, {"workers_per_trial": 2}, (Workers(2, 1, 0), 4)),
        (TWO_GPU_NODES, {}, (Workers(1, 4, 1), 8)),
        (TWO_GPU_NODES, {"preset": "laptop"}, (Workers(1, 1, 0.25), 32)),
        (TWO_GPU_NODES, {"preset": "laptop", "body": "roberta-base"}, (Workers(1, 4, 1), 8)),
        (LAPTOP, {"preset": "laptop"}, (Workers(1, 1, 0), 8)),
        (TWO_GPU_NODES, {"gpus_per_trial": 0.5}, (Workers(1, 2, 0.5), 16)),
        (TWO_GPU_NODES, {"gpus_per_trial": 0}, (Workers(1, 1, 0), 32)),
        (TWO_GPU_NODES, {"workers_per_trial": 8}, (Workers(8, 4, 1), 1)),
        (TWO_GPU_NODES, {"workers_per_trial": 2, "gpus_per_trial": 4}, (Workers(2, 8, 2), 2)),
        # Five cores on each of two nodes hold two trials of two cores each, not five of two.
        ([{"CPU": 5.0}, {"CPU": 5.0}], {"max_concurrent": 4}, (Workers(1, 2, 0), 4)),
    ],
)
def test_a_cluster_is_divided_into_equal_slots(nodes, options, expected):
    slots = connection.slots(Request(**options), nodes)
    assert (slots.workers, slots.concurrent) == expected


@pytest.mark.parametrize(
    ("nodes", "options", "told"),
    [
        (LAPTOP, {"gpus_per_trial": 1}, "--gpus-per-trial is 1: the cluster has 0 GPUs"),
        (LAPTOP, {"workers_per_trial": 9}, "--workers-per-trial is 9: the cluster holds 8 workers of 0 GPUs"),
        (LAPTOP, {"max_concurrent": 9}, "--max-concurrent is 9: the cluster holds 8 such trials"),
        (TWO_GPU_NODES, {"workers_per_trial": 2, "gpus_per_trial": 3}, "3 over 2 workers: give a multiple"),
        (TWO_GPU_NODES, {"gpus_per_trial": 8}, "--workers-per-trial is 1: the cluster holds 0 workers of 8 GPUs"),
    ],
)
def test_more_than_a_cluster_holds_is_refused(nodes, options, told):
    with pytest.raises(RequestError, match=re.escape(told)):
        connection.slots(Request(**options), nodes)
