"""The driver's cost per trial does not grow with the trials that have ended."""

import optuna

from pare.search.study.samplers import WINDOW
from pare.search.study.study import EXPERIENCED
from tests.bench.driver.scale import measure

SAME = 1.5
"""Growth that is none, of processor time on a busy machine."""


def cheapest(count):
    """The least of three measurements: a busy machine only adds."""
    found = [measure(count, html=False, live=15, apart=False) for _ in range(3)]
    return {name: min(each[name] for each in found) for name in found[0]}


def test_a_trial_costs_the_same_after_a_thousand_others_as_after_three_hundred():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    measure(10, html=False, live=2, apart=False)  # what is loaded once is not of a trial
    # Before that a sampler sees fewer trials, and experience, which costs less, proposes more of them.
    assert max(WINDOW, 10 * EXPERIENCED) < 300
    few, many = cheapest(300), cheapest(1000)
    assert many["driver, ms a trial"] < SAME * few["driver, ms a trial"]
    for part in ("  report", "  tables", "  TensorBoard"):
        assert many[part] < SAME * few[part], part
    assert many["written, kB a trial"] < 1.2 * few["written, kB a trial"]
    assert many["resume, s"] < 5 * few["resume, s"]
