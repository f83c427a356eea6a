"""Slots on a real Ray of four pretended CPUs: all of them start at once, and none is thrown away while it starts."""

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
from ray.tune import Trainable

from pare.data.provider import DataProvider
from pare.search import tune
from pare.search.cluster import connection
from pare.training.workers import Workers

SLOTS, JOBS = 4, 12

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module", autouse=True)
def four_cpus():
    connection.connect(None, num_cpus=SLOTS, include_dashboard=False)
    yield
    ray.shutdown()


class Jobs:
    """A sweep of jobs that have nothing to train."""

    concurrent = SLOTS

    def __init__(self, folder):
        self._folder, self.given, self.running, self.ended = folder, 0, set(), []

    @property
    def finished(self):
        return self.given == JOBS and not self.running

    def next(self):
        if self.given == JOBS or len(self.running) == SLOTS:
            return None
        self.given += 1
        job = f"toy/{self.given}"
        self.running.add(job)
        return SimpleNamespace(id=job, run=None, purpose="search", folder=self._folder)

    def report(self, *_):
        return True

    def end(self, job, why):
        assert not why
        self.running.remove(job)
        self.ended.append(job)

    def settle(self):
        pass


def run_jobs(folder, may_be_ready):
    """Run all jobs by actors that are ready when `may_be_ready(started, ended)` of the files they leave says so."""

    class Actor(Trainable):
        def setup(self, config):
            (folder / f"started-{os.getpid()}").touch()
            until = time.monotonic() + 60
            while not may_be_ready(sorted(folder.glob("started-*")), len(list(folder.glob("ended-*")))):
                assert time.monotonic() < until, "never ready"
                time.sleep(0.05)
            self.config = config

        def reset_config(self, new_config):
            self.config = new_config
            return True

        def step(self):
            time.sleep(0.2)
            (folder / f"ended-{Path(self.config['spec'].id).name}").touch()
            return {"done": True}

        def save_checkpoint(self, checkpoint_dir):
            pass

        def load_checkpoint(self, checkpoint):
            pass

    jobs = Jobs(folder)
    tune.run(jobs, Workers(1, 1, 0), DataProvider(str(folder), "laptop"), folder / "ray", actor=Actor)
    assert len(jobs.ended) == JOBS
    return len(list(folder.glob("started-*")))


def test_all_slots_start_at_once_and_ctrl_c_is_given_back(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    assert run_jobs(tmp_path, lambda started, _: len(started) == SLOTS) == SLOTS
    assert signal.getsignal(signal.SIGINT) is before


def test_an_actor_that_starts_is_not_thrown_away_for_one_that_is_free(tmp_path):
    """The first is ready at once and works through half the jobs, again and again free, while the others start."""

    def may_be_ready(started, ended):
        return len(started) == 1 or f"started-{os.getpid()}" == started[0].name or ended >= JOBS // 2

    assert run_jobs(tmp_path, may_be_ready) == SLOTS
