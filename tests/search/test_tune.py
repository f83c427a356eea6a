"""Where Ray Tune meets a sweep, without Ray: an error of the sweep's own is not the trial's of which it was told."""

import errno
from types import SimpleNamespace

import pytest

from pare.search.tune import Guard, SweepScheduler, SweepSearcher

TRIAL = SimpleNamespace(config={"job": "ecg/pare-0000"})


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
    guard = Guard()
    guard.on_step_begin(0, [])
    assert SweepScheduler(Broken(), guard).on_trial_result(None, TRIAL, {}) == "STOP"
    with pytest.raises(OSError, match="No space left"):
        guard.on_step_begin(1, [])


def test_a_broken_sweep_is_asked_and_told_nothing_more():
    guard, sweep = Guard(), Broken()
    searcher = SweepSearcher(sweep, guard, {})
    assert searcher.suggest("1") is None
    assert searcher.suggest("2") is None
    SweepScheduler(sweep, guard).on_trial_result(None, TRIAL, {})
    assert sweep.asked == ["next"]
