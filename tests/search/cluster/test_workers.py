"""The wait for workers, on a pretended cluster: what is asked for, told, given up and let go."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from pare.errors import ClusterError, RequestError
from pare.search.cluster import workers
from pare.search.cluster.autoscaler import HEAD, Autoscaler, NodeType
from pare.search.request import Request

L4 = {"CPU": 4.0, "GPU": 1.0}
A_HEAD = {HEAD: 1.0, "CPU": 0.0}
CLOUD = Autoscaler((NodeType(L4, 4), NodeType(L4, 4)), 4)
OWN = Autoscaler((NodeType({}, 2),), 2)


class Cluster:
    """A fake cluster, and a clock that only sleep moves."""

    def __init__(self, autoscaler):
        self.autoscaler, self.there, self.starting, self.refused = autoscaler, [A_HEAD], 0, []
        self.asked, self.now, self.script = [], 0.0, []
        self.failed, self.hopeless = {}, ""

    def at(self, minute, **changes):
        """Change attributes once so many minutes have passed."""
        self.script.append((minute * 60, changes))

    def sleep(self, seconds):
        self.now += seconds
        while self.script and self.script[0][0] <= self.now:
            vars(self).update(self.script.pop(0)[1])

    def nodes(self):
        return [{"Alive": True, "Resources": each} for each in self.there]

    def look(self):
        """Read nothing from the autoscaler's log."""

    def status(self, _):
        failed = [SimpleNamespace(details=why, failed_ts_s=self.now) for why in self.refused]
        return SimpleNamespace(pending_nodes=[None] * self.starting, failed_launches=failed)


class NoRelease:
    def __init__(self, address):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def make(monkeypatch, tmp_path):
    def make(autoscaler):
        cluster = Cluster(autoscaler)
        monkeypatch.setattr(workers.autoscaler, "at_work", lambda: cluster.autoscaler)
        monkeypatch.setattr(workers.ray, "nodes", cluster.nodes)
        monkeypatch.setattr(workers.ray, "get_runtime_context", lambda: SimpleNamespace(gcs_address="head:6379"))
        monkeypatch.setattr(workers.ray_internals, "logs", lambda: tmp_path)
        monkeypatch.setattr(workers, "SetupLogMonitor", lambda *_, **__: cluster)
        monkeypatch.setattr(workers, "get_cluster_status", cluster.status)
        monkeypatch.setattr(workers, "request_resources", lambda bundles: cluster.asked.append(bundles))
        monkeypatch.setattr(workers, "ReleaseOnExit", NoRelease)
        clock = SimpleNamespace(monotonic=lambda: cluster.now, time=lambda: cluster.now, sleep=cluster.sleep)
        monkeypatch.setattr(workers, "time", clock)
        return cluster

    return make


def gathered(**options):
    console = Console(file=io.StringIO(), width=200)
    return workers.gathered(Request(address="auto", **options), console), console.file


def test_places_are_asked_for_held_and_let_go(make):
    cluster = make(CLOUD)
    cluster.at(0.5, starting=2)
    cluster.at(3, starting=0, there=[A_HEAD, L4, L4])
    context, said = gathered(max_concurrent=2)
    with context as (slots, places):
        assert (slots.workers.cpus, slots.workers.gpus, slots.concurrent) == (4, 1, 2)
        assert cluster.asked == [[{"CPU": 4.0, "GPU": 1.0}] * 2]
        assert places() == 2
    assert cluster.asked[1:] == [[]]
    assert said.getvalue().splitlines() == [
        "workers: 0 of 2 places for trials ready",
        "workers: 0 of 2 places for trials ready, 2 nodes starting",
        "workers: 2 of 2 places for trials ready",
    ]


def test_without_a_number_the_whole_cluster_is_asked_for(make):
    cluster = make(CLOUD)
    cluster.there = [A_HEAD, L4, L4, L4, L4]
    context, _ = gathered(gpus_per_trial=0.5)
    with context as (slots, places):
        assert slots.concurrent == places() == len(cluster.asked[0]) == 8


def test_a_trial_of_several_workers_asks_for_one_machine_where_one_holds_it(make):
    four = {"CPU": 48.0, "GPU": 4.0}
    cluster = make(Autoscaler((NodeType(L4, 4), NodeType(four, 1)), 4))
    cluster.there = [A_HEAD, four, L4, L4, L4]
    context, _ = gathered(workers_per_trial=2, gpus_per_trial=2)
    with context as (slots, places):
        assert slots.concurrent == places() == 3
        pair, one = {"CPU": 8.0, "GPU": 2.0}, {"CPU": 4.0, "GPU": 1.0}
        assert cluster.asked == [[pair, pair, one, one]], "two in the large machine, the third over small ones"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_demand_is_let_go_however_the_sweep_ends(make, error):
    cluster = make(CLOUD)
    cluster.there = [A_HEAD, L4]
    context, _ = gathered(max_concurrent=1)
    with pytest.raises(error), context:
        raise error
    assert cluster.asked[-1] == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_concurrent": 5}, r"--max-concurrent is 5: the cluster holds 4 such trials"),
        ({"gpus_per_trial": 8}, r"--gpus-per-trial is 8: the cluster has 4 GPUs"),
        ({"workers_per_trial": 9}, r"--gpus-per-trial is 9|--workers-per-trial is 9"),
    ],
)
def test_what_could_never_be_met_is_refused_before_anything_is_asked_for(make, options, told):
    cluster = make(CLOUD)
    context, _ = gathered(**options)
    with pytest.raises(RequestError, match=told), context:
        pass
    assert cluster.asked == []
    assert cluster.now == 0


def test_it_starts_with_what_is_there_and_the_rest_joins(make):
    cluster = make(CLOUD)
    cluster.at(1, starting=1, there=[A_HEAD, L4])
    context, said = gathered(max_concurrent=3)
    with context as (slots, places):
        assert 180 <= cluster.now < 190  # the first, and two minutes
        assert (slots.concurrent, places()) == (3, 1)
        cluster.there = [A_HEAD, L4, L4, L4, L4]
        cluster.sleep(3)
        assert places() == 3
        cluster.there = [A_HEAD]
        assert places() == 3  # it looked just now
        cluster.sleep(3)
        assert places() == 0
    assert said.getvalue().endswith("1 nodes starting; the sweep starts, the others join as they come\n")


def test_own_machines_are_waited_for_and_not_asked_for(make):
    cluster = make(OWN)
    cluster.at(1, there=[A_HEAD, {"CPU": 2.0}])
    cluster.at(2, there=[A_HEAD, {"CPU": 2.0}, {"CPU": 2.0}])
    context, said = gathered(max_concurrent=2)
    with context as (slots, places):
        assert (slots.workers.cpus, slots.concurrent, places()) == (2, 2, 2)
    assert cluster.asked == []
    assert said.getvalue().splitlines()[0] == "first worker: 0 of 1 places for trials ready, 2 nodes starting"


def test_own_machines_whose_set_up_failed_are_not_waited_for(make):
    cluster = make(OWN)
    cluster.at(1, there=[A_HEAD, {"CPU": 2.0}], failed={"10.0.0.2": "no space left"})
    context, said = gathered()
    with context as (slots, places):
        assert (slots.concurrent, places()) == (4, 2)
        assert cluster.now < 70
    assert (
        "2 of 4 places for trials ready, set-up failed on 10.0.0.2: no space left; the sweep starts" in said.getvalue()
    )


def test_without_any_own_machine_it_ends_at_once(make):
    cluster = make(OWN)
    cluster.at(1, failed={"10.0.0.1": "no space left", "10.0.0.2": "no space left"})
    context, _ = gathered()
    with pytest.raises(RequestError, match=r"set-up fails on the workers \(10.0.0.1: no space left, 10"), context:
        pass
    assert cluster.now < 70


def test_without_capacity_it_ends_with_what_the_cloud_said(make):
    cluster = make(CLOUD)
    cluster.at(1, refused=["LaunchNodeError(...): InsufficientInstanceCapacity:\n no g6.xlarge"])
    context, _ = gathered()
    with pytest.raises(RequestError, match=r"no worker .* 10 minutes .*InsufficientInstanceCapacity: no g6"), context:
        pass
    assert cluster.now < 620
    assert cluster.asked[-1] == []


def test_nodes_on_their_way_for_ever_end_it_too(make):
    cluster = make(CLOUD)
    cluster.starting = 1
    context, _ = gathered()
    with pytest.raises(RequestError, match="no worker has come for 30 minutes"), context:
        pass


def test_failing_set_up_ends_the_wait(make):
    cluster = make(CLOUD)
    cluster.at(1, hopeless="i-0a: no space left")
    context, _ = gathered()
    with pytest.raises(RequestError, match=r"set-up fails on the workers \(i-0a: no space left\)"), context:
        pass
    assert cluster.asked[-1] == []


def test_in_mid_sweep_lost_nodes_are_waited_for_ten_minutes(make):
    cluster = make(CLOUD)
    cluster.there = [A_HEAD, L4]
    context, _ = gathered(max_concurrent=1)
    with context as (_, places):
        cluster.there = [A_HEAD]
        cluster.sleep(590)
        assert places() == 0
        cluster.sleep(20)
        with pytest.raises(ClusterError, match="no worker has come for 10 minutes"):
            places()


def test_in_mid_sweep_failing_set_up_is_an_error_though_trials_run(make):
    cluster = make(CLOUD)
    cluster.there = [A_HEAD, L4]
    context, _ = gathered(max_concurrent=1)
    with context as (_, places):
        cluster.sleep(3)
        cluster.hopeless = "i-0a: no space left"
        with pytest.raises(ClusterError, match="no space left"):
            places()


def test_a_fixed_cluster_is_taken_as_it_is(make):
    cluster = make(None)
    cluster.there = [L4]
    context, said = gathered()
    with context as (slots, places):
        assert (slots.concurrent, places) == (1, None)
    assert (cluster.asked, cluster.now, said.getvalue()) == ([], 0, "")
