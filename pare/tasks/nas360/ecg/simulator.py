"""Single-lead electrocardiograms of four rhythms, simulated: McSharry et al. 2003, IEEE Trans. Biomed. Eng. 50:289.

The phase of the heart runs once around a circle per beat; P, Q, R, S and T are Gaussian events on it, summed by a
relaxation towards the baseline. Rhythms differ by their sequence of beats and by what each beat looks like. What a
hand-held recorder adds (muscle noise, wander, loose fingers, either polarity) is on every record, most on noisy ones.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

RATE = 300.0
"""Samples per second."""

SYMBOLS = ("N", "A", "O", "~")
_RELAXATION = 1.0
"""Seconds in which the trace returns to its baseline."""

# Table I of the paper, for P, Q, R, S, T: angles (rad), amplitudes, widths (rad).
_ANGLES = np.array([-1 / 3, -1 / 12, 0, 1 / 12, 1 / 2]) * np.pi
_AMPLITUDES = np.array([1.2, -5.0, 30.0, -7.5, 0.75])
_WIDTHS = np.array([0.25, 0.1, 0.1, 0.1, 0.4])
_P, _Q, _R, _S, _T = range(5)
_MILLIVOLTS = 0.03
"""Scales the sum of events so that R stands about 1 mV high."""


@dataclass(frozen=True)
class Beats:
    """A sequence of n beats: `intervals` (n,) in s; `angles`, `amplitudes` and `widths` of the events (n, 5)."""

    intervals: np.ndarray
    angles: np.ndarray
    amplitudes: np.ndarray
    widths: np.ndarray


def simulate(symbol: str, samples: int, rng: np.random.Generator) -> np.ndarray:
    """One record (samples,) in mV of the rhythm `symbol`: N normal, A atrial fibrillation, O other, ~ noisy."""
    rhythm = symbol if symbol != "~" else rng.choice(SYMBOLS[:3], p=[0.6, 0.1, 0.3])
    beats = {"N": _normal, "A": _fibrillating, "O": _other}[rhythm](int(samples / RATE * 4) + 8, rng)
    clean = _trace(beats, samples, rng)
    if rhythm == "A":
        clean += _fibrillation(samples, rng)
    noise = rng.uniform(0.25, 1.2) if symbol == "~" else np.exp(rng.normal(np.log(0.08), 0.8))
    gain = rng.choice([1, -1], p=[0.85, 0.15]) * np.exp(rng.normal(0, 0.35))
    record: np.ndarray = gain * clean + _noise(samples, noise, rng)
    return record


def _trace(beats: Beats, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Equation 1 of the paper on its limit cycle, where the phase is known and only z remains to be integrated."""
    times = np.arange(samples) / RATE
    peaks = np.cumsum(beats.intervals) - rng.uniform(0, 1) - beats.intervals[0]
    # The phase is 0 at each R peak, and events before a peak belong to it and not to the beat before.
    turns = np.interp(times, peaks, np.arange(len(peaks)))
    beat = np.rint(turns).astype(int)
    theta = 2 * np.pi * (turns - beat)
    distance = theta[:, None] - beats.angles[beat]
    widths = beats.widths[beat]
    slope = -(beats.amplitudes[beat] * distance * np.exp(-(distance**2) / (2 * widths**2))).sum(1)
    # Where the interval changes at a beat, so does the phase's speed; in step with it, an event still sums to nothing.
    slope *= np.gradient(turns) * RATE * beats.intervals[beat]
    breathing = 0.005 * np.sin(2 * np.pi * 0.25 * times)
    decay = np.exp(-1 / (RATE * _RELAXATION))
    trace: np.ndarray = lfilter([0.5 / RATE, 0.5 / RATE], [1, -decay], slope + breathing / _RELAXATION)
    return trace / _MILLIVOLTS


def _beats(intervals: np.ndarray, rng: np.random.Generator) -> Beats:
    """Beats of one heart: the table's events, every person's a little different, narrower in angle when slow."""
    n = len(intervals)
    # As the authors' ECGSYN has it: widths grow with the root of the rate, P and T move with its fourth root.
    rate = np.sqrt(1 / intervals)[:, None]
    angles = _ANGLES * np.stack([rate[:, 0] ** p for p in (0.5, 1, 1, 1, 0.5)], axis=1)
    amplitudes = _AMPLITUDES * np.exp(rng.normal(0, [0.6, 0.3, 0.3, 0.3, 0.4])) * np.exp(rng.normal(0, 0.04, (n, 5)))
    return Beats(intervals, angles, amplitudes, _WIDTHS * np.exp(rng.normal(0, 0.12, 5)) * rate)


def _tachogram(n: int, rate: float, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Intervals (n,) in s with the paper's bimodal spectrum: 0.1 Hz from blood pressure, 0.25 Hz from breathing."""
    mean = 60 / rate
    frequencies = np.fft.rfftfreq(n, mean)
    power = sum(
        share * np.exp(-((frequencies - centre) ** 2) / (2 * 0.01**2)) for centre, share in ((0.1, 0.5), (0.25, 1))
    )
    phases = rng.uniform(0, 2 * np.pi, len(frequencies))
    waves = np.fft.irfft(np.sqrt(power + 1e-3) * np.exp(1j * phases), n)
    return np.clip(mean + deviation * (waves - waves.mean()) / waves.std(), 0.3, 2.0)


def _normal(n: int, rng: np.random.Generator) -> Beats:
    rate = rng.uniform(54, 106)
    return _beats(_tachogram(n, rate, rng.uniform(0.01, 0.1) * 60 / rate, rng), rng)


def _fibrillating(n: int, rng: np.random.Generator) -> Beats:
    """Ventricles that answer irregularly, and no P wave."""
    mean = 60 / rng.uniform(60, 140)
    intervals = mean * np.exp(rng.normal(0, rng.uniform(0.06, 0.22), n))
    beats = _beats(np.clip(intervals, 0.3, 2.0), rng)
    beats.amplitudes[:, _P] = 0
    return beats


def _fibrillation(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Atrial waves (samples,) in mV at a wandering 4 to 9 Hz."""
    wander = 0.4 * _walk(samples, 1.0, rng)
    phase = 2 * np.pi * np.cumsum(rng.uniform(4.5, 8.5) + wander) / RATE
    swell = 1 + 0.3 * _walk(samples, 0.5, rng)
    waves: np.ndarray = rng.uniform(0.02, 0.1) * swell * (np.sin(phase) + 0.4 * np.sin(2 * phase))
    return waves


def _other(n: int, rng: np.random.Generator) -> Beats:
    """One of: slow, fast, ventricular or atrial premature beats, bundle branch block, first-degree block."""
    kind = rng.choice(6, p=[0.15, 0.2, 0.25, 0.15, 0.15, 0.1])
    rate = rng.uniform(38, 56) if kind == 0 else rng.uniform(102, 150) if kind == 1 else rng.uniform(56, 102)
    intervals = _tachogram(n, rate, rng.uniform(0.01, 0.1) * 60 / rate, rng)
    early = np.zeros(n, dtype=bool)
    if kind in (2, 3):
        early[1:-1] = rng.random(n - 2) < rng.uniform(0.15, 0.4)
        early[1:] &= ~early[:-1]
        hurry = rng.uniform(0.55, 0.75)
        # A ventricular beat leaves the sinus rhythm in step, so that the pause after it makes up for its haste.
        pause = 2 - hurry if kind == 2 else 1.0
        intervals[1:] *= np.where(early[:-1], pause, 1)
        intervals[early] *= hurry
    beats = _beats(intervals, rng)
    if kind in (2, 4):
        wide = early if kind == 2 else ~early
        beats.amplitudes[wide] *= [0 if kind == 2 else 1, 0.3, 0.35, 0.9, -1.6]
        beats.widths[wide] *= [1, 2.2, 2.2, 2.2, 1.1]
        beats.angles[wide] *= [1, 2, 1, 2.5, 1.1]
    if kind == 3:
        beats.amplitudes[early, _P] *= -0.6
    if kind == 5:
        beats.angles[:, _P] *= 1.7
    return beats


def _noise(samples: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Muscle noise, baseline wander, mains hum and electrode motion (samples,) in mV, `scale` setting them all."""
    muscle = lfilter(*_SMOOTH, rng.standard_normal(samples))
    muscle *= scale * (1 + 0.5 * _walk(samples, 0.5, rng)) / muscle.std()
    hum = 0.1 * scale * np.sin(2 * np.pi * rng.choice([50, 60]) * np.arange(samples) / RATE)
    wander = rng.uniform(0.5, 2.0) * scale * _walk(samples, 2.0, rng)
    motion = np.zeros(samples)
    jolts = rng.random(samples) < scale / RATE
    motion[jolts] = rng.normal(0, 4 * scale, jolts.sum())
    noise: np.ndarray = muscle + hum + wander + lfilter([1], [1, -np.exp(-1 / (0.3 * RATE))], motion)
    return noise


_SMOOTH = ([1.0], [1.0, -0.7])
"""Filter that puts most of the muscle noise below some 40 Hz, as the recorder's own does."""


def _walk(samples: int, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Slow random motion (samples,) of unit variance that forgets itself in `seconds`."""
    decay = np.exp(-1 / (seconds * RATE))
    smooth: np.ndarray = lfilter([1 - decay], [1, -decay], rng.standard_normal(samples))
    return (smooth - smooth.mean()) / smooth.std()
