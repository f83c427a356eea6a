import numpy as np
from scipy.integrate import solve_ivp

from pare.tasks.nas360.ecg import simulator


def test_trace_solves_the_published_equations():
    """For a steady heart the filtered sum of events is the z of the three coupled equations, integrated numerically."""
    n, period = 10, 0.8
    shape = (n, 5)
    beats = simulator.Beats(
        np.full(n, period),
        np.broadcast_to(simulator._ANGLES, shape),
        np.broadcast_to(simulator._AMPLITUDES, shape),
        np.broadcast_to(simulator._WIDTHS, shape),
    )
    trace = simulator._trace(beats, 1200, np.random.default_rng(3)) * simulator._MILLIVOLTS
    start = 2 * np.pi * np.random.default_rng(3).uniform(0, 1) / period

    def equations(t, state):
        x, y, z = state
        alpha, omega = 1 - np.hypot(x, y), 2 * np.pi / period
        distance = np.angle(np.exp(1j * (np.arctan2(y, x) - simulator._ANGLES)))
        events = simulator._AMPLITUDES * distance * np.exp(-(distance**2) / (2 * simulator._WIDTHS**2))
        baseline = 0.005 * np.sin(2 * np.pi * 0.25 * t)
        return [alpha * x - omega * y, alpha * y + omega * x, -events.sum() - (z - baseline)]

    times = np.arange(1, 1200) / simulator.RATE
    solved = solve_ivp(
        equations, (0, 4), [np.cos(start), np.sin(start), 0], t_eval=times, rtol=1e-8, atol=1e-8, max_step=2e-3
    )
    height = np.ptp(solved.y[2])
    assert height > 0.04
    np.testing.assert_allclose(trace[1:], solved.y[2], rtol=0, atol=0.02 * height)


def test_fibrillating_hearts_are_irregular_and_have_no_p_wave():
    def irregularity(rhythm):
        beats = [rhythm(60, np.random.default_rng(seed)) for seed in range(40)]
        return np.mean([b.intervals.std() / b.intervals.mean() for b in beats]), beats

    normal, regular = irregularity(simulator._normal)
    fibrillating, irregular = irregularity(simulator._fibrillating)
    assert fibrillating > 2 * normal
    assert all(beats.amplitudes[:, 0].all() for beats in regular)
    assert not any(beats.amplitudes[:, 0].any() for beats in irregular)


def test_noisy_records_change_faster_for_their_size():
    def roughness(symbol):
        traces = [simulator.simulate(symbol, 3000, np.random.default_rng(seed)) for seed in range(30)]
        return np.median([np.abs(np.diff(trace)).mean() for trace in traces])

    assert roughness("~") > 3 * roughness("N")
