"""Surface electromyograms of 18 gestures over two armbands of eight electrodes, simulated.

Each gesture contracts a few muscles; an electrode hears those beneath it. Its voltage is noise of the muscles' band
whose strength follows the contraction, so that the sign says nothing and the pattern of strengths everything.
"""

import numpy as np
from scipy.signal import butter, sosfilt

GESTURES, CHANNELS, LENGTH = 18, 16, 52
RATE = 200.0
"""Samples per second of the armbands, whose window is then 0.26 s."""

_MUSCLES = 7
"""Muscles under each armband; every gesture contracts some of them."""

_BAND = butter(2, (20, 90), "bandpass", fs=RATE, output="sos")
_SETTLING = 40


def _anatomy() -> tuple[np.ndarray, np.ndarray]:
    """Return the muscles' angles around the arm, in rad (2, muscles), and each gesture's pull (18, 2, muscles)."""
    rng = np.random.default_rng(18)
    shape = (GESTURES, 2, _MUSCLES)
    strengths = rng.uniform(0.2, 1.0, shape) * (rng.random(shape) < 0.4)
    strengths[0] = 0  # rest
    return rng.uniform(0, 2 * np.pi, shape[1:]), 0.05 + strengths


_PLACES, _STRENGTHS = _anatomy()


def simulate(gestures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A window in the midst of each gesture (n,): (n, 52, 16) float32, time by electrode."""
    n = len(gestures)
    # The bands are put on anew each day, the second turned by half an electrode's distance.
    electrodes = np.arange(8) * np.pi / 4 + np.array([[0], [np.pi / 8]]) + rng.normal(0, 0.1, (n, 1, 1))
    apart = electrodes[..., None] - _PLACES[:, None]
    pull = _STRENGTHS[gestures] * np.exp(rng.normal(0, 0.25, (n, 2, _MUSCLES)))
    heard = (pull[:, :, None] * np.exp(6 * (np.cos(apart) - 1))).sum(axis=-1).reshape(n, 1, CHANNELS)

    time = np.arange(LENGTH)[:, None] / RATE
    # A contraction swells and ebbs, muscles not all at once.
    swell = 1 + 0.4 * np.sin(2 * np.pi * (rng.uniform(1, 3, (n, 1, 1)) * time + rng.uniform(0, 1, (n, 1, CHANNELS))))
    carrier = sosfilt(_BAND, rng.standard_normal((n, LENGTH + _SETTLING, CHANNELS)), axis=1)[:, _SETTLING:]
    carrier = carrier + 0.3 * np.roll(carrier, 1, axis=2)  # crosstalk
    effort = np.exp(rng.normal(0, 0.2, (n, 1, 1)))
    signal = effort * heard * swell * carrier + rng.normal(0, 0.05, carrier.shape)
    return np.asarray(signal, dtype=np.float32)
