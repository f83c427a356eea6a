"""The adapters between Ray Tune and a sweep, without Ray: an error of the sweep is not charged to a trial."""

import errno
from types import SimpleNamespace

import pytest
from ray.tune.search import Searcher

from pare.errors import ClusterError
from pare.search.tune import AutoscalerWatch, ErrorTrap, SweepScheduler, SweepSearcher

TRIAL = SimpleNamespace(config={"spec": SimpleNamespace(id="ecg/pare-0000")})


def spec(job):
    return job


class Broken:
    """A sweep whose every answer is an error."""

    def __init__(self):
        self.asked = []

    def __getattr__(self, name):
        def fail(*_):
            self.asked.append(name)
            raise OSError(errno.ENOSPC, "No space left on device")

        return fail


def test_an_error_is_raised_as_it_is_at_the_next_step():
    trap = ErrorTrap()
    trap.on_step_begin(0, [])
    assert SweepScheduler(Broken(), trap).on_trial_result(None, TRIAL, {}) == "STOP"
    with pytest.raises(OSError, match="No space left"):
        trap.on_step_begin(1, [])


def test_a_broken_sweep_is_asked_and_told_nothing_more():
    trap, sweep = ErrorTrap(), Broken()
    searcher = SweepSearcher(sweep, trap, spec)
    assert searcher.suggest("1") == searcher.suggest("2") == Searcher.FINISHED
    SweepScheduler(sweep, trap).on_trial_result(None, TRIAL, {})
    assert sweep.asked == ["next"]


class Sweep:
    """A sweep that has jobs without end."""

    finished = False

    def next(self):
        return SimpleNamespace(id="ecg/pare-0000", purpose="search", folder="x")

    def end(self, *_):
        pass


def test_no_more_trials_run_than_the_cluster_has_places_for():
    places = [1]
    searcher = SweepSearcher(Sweep(), ErrorTrap(), spec, lambda: places[0])
    assert searcher.suggest("1")["spec"].id == "ecg/pare-0000"
    assert searcher.suggest("2") is None
    places[0] = 2
    assert searcher.suggest("2") is not None
    places[0] = 0
    searcher.on_trial_complete("1")
    searcher.on_trial_complete("2")
    assert searcher.suggest("3") is None


def test_a_cluster_without_workers_ends_the_experiment():
    def gone():
        raise ClusterError("no worker has come")

    trap = ErrorTrap()
    assert SweepSearcher(Sweep(), trap, {}, gone).suggest("1") == Searcher.FINISHED
    with pytest.raises(ClusterError):
        AutoscalerWatch(gone, ErrorTrap()).on_step_begin(0, [])
