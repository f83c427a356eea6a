"""A sweep whose trials are worker groups of Ray Train: over a minute, so by request, beside those of test_launch.py."""

import pytest
import ray

from pare.reporting import best_model, read
from tests.sweeps.script import sweep


@pytest.mark.faults
@pytest.mark.ray
def test_worker_groups_leave_the_cluster_free(root, tmp_path, monkeypatch):
    """A trial and its confirmation on two workers each leave no placement group, seen while Ray still runs."""
    states = []

    def look():
        groups = [g for g in ray.util.placement_group_table().values() if g["state"] != "REMOVED"]
        states.append((groups, ray.available_resources().get("CPU"), ray.cluster_resources()["CPU"]))

    keep = best_model.keep_best
    monkeypatch.setattr(best_model, "keep_best", lambda *a: (look(), keep(*a)))
    small = ["--methods", "nft", "--trials", "1", "--epochs", "1", "--seeds", "1", "--preset", "laptop"]
    arguments = ["--tasks", "ecg", *small, "--workers-per-trial", "2", "--out", tmp_path, "--data-root", root]
    assert sweep(*arguments) == 0
    ((groups, free, whole),) = states
    assert groups == []
    assert free == whole
    trials = read(tmp_path).trials
    assert len(trials) == 1
    assert set(trials.state) <= {"complete", "pruned"}
