"""Connecting to a Ray, and dividing it; what needs a living one is in tests/sweeps and tests/faults."""

import pytest
import ray

from pare.errors import ClusterError, RequestError
from pare.search.cluster import connection


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
