"""Two drivers, each with a task of its own, on one cluster and one bucket: what a user does who needs more than one."""

import pytest
from ray.cluster_utils import Cluster

from pare.bucket import Folder
from pare.reporting import read
from tests.faults.kill import figures
from tests.faults.session import Session

pytestmark = [pytest.mark.ray, pytest.mark.faults]
SMALL = ["--trials", "2", "--epochs", "2", "--seeds", "1", "--preset", "laptop"]
TASKS = ("ecg", "darcy")


@pytest.fixture
def address(store_url):
    # Its nodes find the bucket by the environment.
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": True})
    yield cluster.address
    cluster.shutdown()


def test_two_drivers_on_one_cluster_and_one_bucket_do_not_disturb_each_other(address, store_url, root, tmp_path, cache):
    """Each leaves what it leaves alone, without Ray and without a bucket."""

    def session(task, out, *more):
        return Session(out, "--tasks", task, *SMALL, "--data-root", root, *more)

    shared = ["--address", address, "--max-concurrent", "1"]
    with session("ecg", f"{store_url}/ecg", *shared) as ecg, session("darcy", f"{store_url}/darcy", *shared) as darcy:
        for each in (ecg, darcy):
            code, _, errors = each.end()
            assert (code, errors) == (0, "")
    for task in TASKS:
        with session(task, tmp_path / task, "--executor", "inline") as alone:
            assert alone.end()[0] == 0
        own, together = read(tmp_path / task), read(Folder(f"{store_url}/{task}").workspace)
        assert set(together.trials.task) == {task}
        for name in ("trials", "curves", "confirm"):
            one, other = figures(getattr(own, name)), figures(getattr(together, name))
            numbers = one.select_dtypes("number").columns
            assert one.drop(columns=numbers).equals(other.drop(columns=numbers)), name
            assert (abs(one[numbers] - other[numbers]).fillna(0) <= 1e-3 * (1 + abs(one[numbers].fillna(0)))).all(
                axis=None
            )
        there = {file.partition("/")[0] for file in Folder(f"{store_url}/{task}").files()}
        assert {task, "tb", "leaderboard.parquet"} < there
        assert not there & {*TASKS} - {task}
