"""What the wait for workers makes of the autoscaler's log and of a cluster that does not grow."""

import pytest

from cluster import with_workers


class Cluster:
    """A cluster of as many GPUs as a test says; remembers what its autoscaler was asked for."""

    def __init__(self):
        self.gpus, self.asked = 0, []

    def cluster_resources(self):
        return {"GPU": self.gpus}

    def request_resources(self, bundles):
        self.asked.append(len(bundles))


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    cluster = Cluster()
    monkeypatch.setattr(with_workers.ray, "init", lambda **_: None)
    monkeypatch.setattr(with_workers.ray, "cluster_resources", cluster.cluster_resources)
    monkeypatch.setattr(with_workers, "request_resources", cluster.request_resources)
    monkeypatch.setattr(with_workers, "LOGS", tmp_path)
    monkeypatch.setattr(with_workers.time, "sleep", lambda _: None)
    return cluster


def test_runs_the_command_once_the_workers_are_there_and_lets_them_go(cluster, capfd):
    cluster.gpus = 2
    assert with_workers.main(["2", "--", "sh", "-c", "echo swept; exit 3"]) == 3
    assert capfd.readouterr().out == "swept\n"
    assert cluster.asked == [2, 0]


def test_gives_up_in_one_line(cluster, capfd):
    assert with_workers.main(["2", "--timeout", "0", "--", "echo", "swept"]) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == "with_workers: 0 of 2 GPUs after 0 minutes: see `ray status`, or give a longer --timeout\n"
    assert cluster.asked == [2, 0]


# As the autoscaler writes it, colours included, shortened.
LOG = """\
2026-11-24 09:13:14,251\tVINFO command_runner.py:399 -- Running `\x1b[1mbash ~/pare/cluster/node.sh aws\x1b[22m\x1b[26m`
2026-11-24 09:13:14,251\tVVINFO command_runner.py:401 -- Full command is `ssh -tt ...`
error: Failed to write to the cache
  Caused by: No space left on device (os error 28)
2026-11-24 09:13:14,359\tINFO log_timer.py:25 -- NodeUpdater: i-0a: Setup commands \x1b[31mfailed\x1b[39m
2026-11-24 09:13:15,383\tERR updater.py:177 -- New status: update-failed
"""


def test_what_the_set_up_printed_is_told_at_its_second_failure(cluster, capfd, monkeypatch, tmp_path):
    log = tmp_path / "monitor.out"
    log.write_text(LOG)  # of a sweep before this one
    monkeypatch.setattr(with_workers.time, "sleep", lambda _: log.write_text(log.read_text() + LOG))
    assert with_workers.main(["2", "--", "echo", "swept"]) == 2
    assert log.read_text() == LOG * 3
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "i-0a: error: Failed to write to the cache / Caused by: No space left on device (os error 28)" in said.err
    assert cluster.asked == [2, 0]
