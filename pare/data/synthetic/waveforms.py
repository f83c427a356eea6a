"""Signals by formula: sixteen families of waveforms, each divided into bins of one parameter, and instances of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

BINS = 4
"""Classes per family: equal parts, logarithmically, of the range of its parameter."""

_UNIFORMS = 16  # random numbers that an instance is made from, besides the noise
_OWN = 8  # of these, what its family may use


@dataclass(frozen=True)
class _Draw:
    """The random part of m signals of one family."""

    time: np.ndarray
    """(m, length): the window is about one unit long and begins anywhere."""
    u: np.ndarray
    """(_OWN, m, 1) uniform in [0, 1)."""
    noise: np.ndarray
    """(2, m, length) standard normal."""


def render(
    classes: np.ndarray, instances: np.ndarray, *, length: int = 1000, seed: int = 0, hardness: float = 1
) -> np.ndarray:
    """Signals (n, length) float32 of mean 0 and variance 1.

    Signal k is of class `classes[k]`, that is family times BINS plus bin; it follows from `(seed, classes[k],
    instances[k])` alone, whatever else is in the batch. `hardness` in [0, 1] scales the disturbances: spread of the
    parameter within its bin, drift, change of gain, noise, inversion. At 0 a signal is 0
    throughout if its rare event never happened.
    """
    rngs = [np.random.default_rng((seed, c, i)) for c, i in zip(classes.tolist(), instances.tolist(), strict=True)]
    u = np.stack([rng.random(_UNIFORMS) for rng in rngs], axis=1)[..., None]
    noise = np.stack([rng.standard_normal((3, length), dtype=np.float32) for rng in rngs], axis=1)
    window = np.linspace(0, 1, length, endpoint=False)
    spread, onset, slow, phase, drift, gain, loudness, inversion = u[_OWN:]
    place = (classes[:, None] % BINS + 0.5 + 0.9 * hardness * (spread - 0.5)) / BINS

    signals = np.empty((len(classes), length))
    for family, (low, high, formula) in enumerate(FAMILIES.values()):
        rows = np.flatnonzero(classes // BINS == family)
        if len(rows):
            draw = _Draw(window + onset[rows], u[:_OWN, rows], noise[:2, rows])
            signals[rows] = _standardise(formula(low * (high / low) ** place[rows], draw))
    swell = np.sin(2 * np.pi * ((0.5 + slow) * window + phase))
    signals *= 1 + 0.6 * hardness * gain * swell
    signals += hardness * drift * swell[:, ::-1]
    signals += 0.5 * hardness * loudness * noise[2]
    signals *= np.where(inversion < hardness / 2, -1, 1)
    return _standardise(signals).astype(np.float32)


def class_names() -> tuple[str, ...]:
    """Return the name of each class: its family and the geometric mean of its bin."""
    return tuple(
        f"{name} {low * (high / low) ** ((part + 0.5) / BINS):.3g}"
        for name, (low, high, _) in FAMILIES.items()
        for part in range(BINS)
    )


def _standardise(signals: np.ndarray) -> np.ndarray:
    centred = signals - signals.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.maximum(centred.std(axis=-1, keepdims=True), 1e-6))


def _sine(cycles: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(2 * np.pi * cycles))


def _bump(distance: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * (distance / width) ** 2))


def _since(cycles: np.ndarray) -> np.ndarray:
    """The part of the current cycle that has passed, in [0, 1)."""
    return cycles % 1


def _chirp(time: np.ndarray, start: np.ndarray, octaves: np.ndarray) -> np.ndarray:
    """A sine whose frequency grows from `start` by `octaves` per unit of time."""
    return _sine(start * np.expm1(octaves * np.log(2) * time) / (octaves * np.log(2)))


def _filtered(noise: np.ndarray, response: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`noise` (m, length) through a stationary filter, given by its response at angles (k,) in (0, π], without mean."""
    length = noise.shape[-1]
    spectrum = np.fft.rfft(noise)
    spectrum[:, 0] = 0
    spectrum[:, 1:] *= response(2 * np.pi * np.arange(1, spectrum.shape[-1]) / length)
    return np.asarray(np.fft.irfft(spectrum, length))


def _happens(noise: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Whether an event falls on each sample (m, length), `rate` (m, 1) of them expected over the signal."""
    return np.asarray(noise > ndtri(1 - rate / noise.shape[-1]))


def _tone(frequency: np.ndarray, draw: _Draw) -> np.ndarray:
    return _sine(frequency * draw.time)


def _harmonics(frequency: np.ndarray, draw: _Draw) -> np.ndarray:
    return np.asarray(sum(draw.u[k] / k * _sine(k * frequency * draw.time + draw.u[k - 1]) for k in range(1, 6)))


def _beats(ratio: np.ndarray, draw: _Draw) -> np.ndarray:
    frequency = 8 + 8 * draw.u[0]
    return np.asarray(_sine(frequency * draw.time) + _sine(ratio * frequency * draw.time + draw.u[1]))


def _square(frequency: np.ndarray, draw: _Draw) -> np.ndarray:
    return np.where(_since(frequency * draw.time) < 0.2 + 0.6 * draw.u[0], 1.0, -1.0)


def _saw(frequency: np.ndarray, draw: _Draw) -> np.ndarray:
    return _since(frequency * draw.time)


def _rising(octaves: np.ndarray, draw: _Draw) -> np.ndarray:
    return _chirp(draw.time - draw.time[:, :1], 3 + 5 * draw.u[0], octaves)


def _falling(octaves: np.ndarray, draw: _Draw) -> np.ndarray:
    return _rising(octaves, draw)[:, ::-1]


def _amplitude_modulation(rate: np.ndarray, draw: _Draw) -> np.ndarray:
    return np.asarray((1 + _sine(rate * draw.time)) * _sine((50 + 50 * draw.u[0]) * draw.time))


def _frequency_modulation(rate: np.ndarray, draw: _Draw) -> np.ndarray:
    carrier = 25 + 15 * draw.u[0]
    return _sine(carrier * draw.time + 0.08 * carrier * (0.5 + draw.u[1]) / rate * _sine(rate * draw.time))


def _heartbeats(rate: np.ndarray, draw: _Draw) -> np.ndarray:
    """A small, a sharp and a broad bump every cycle."""
    since = _since(rate * draw.time)
    small = (0.1 + 0.2 * draw.u[0]) * _bump(since - 0.25, 0.04)
    sharp = _bump(since - 0.42, 0.012) - draw.u[1] * _bump(since - 0.46, 0.012)
    return np.asarray(small + sharp + (0.1 + 0.4 * draw.u[2]) * _bump(since - 0.7, 0.06))


def _wavelet(frequency: np.ndarray, draw: _Draw) -> np.ndarray:
    """One Gabor wavelet of some cycles, anywhere."""
    time = draw.time - draw.time[:, :1] - 0.2 - 0.6 * draw.u[0]
    return np.asarray(_bump(time, (1 + draw.u[1]) / frequency) * _sine(frequency * time + draw.u[2]))


def _ringing(frequency: np.ndarray, draw: _Draw) -> np.ndarray:
    """Strokes at a steady pace, each ringing out."""
    pace = 2 + 3 * draw.u[0]
    since = _since(pace * draw.time)
    return np.asarray(np.exp(-since * (4 + 4 * draw.u[1])) * _sine(frequency * since / pace))


def _resonance(frequency: np.ndarray, draw: _Draw) -> np.ndarray:
    """Second-order autoregressive noise with its pole at `frequency`."""
    pole = (0.94 + 0.04 * draw.u[0]) * np.exp(2j * np.pi * frequency / draw.time.shape[-1])

    def response(angles: np.ndarray) -> np.ndarray:
        shift = np.exp(-1j * angles)
        return np.asarray(1 / ((1 - pole * shift) * (1 - pole.conj() * shift)))

    return _filtered(draw.noise[0], response)


def _power_law(exponent: np.ndarray, draw: _Draw) -> np.ndarray:
    """Noise whose power falls as frequency to the minus `exponent`: white at 0, a random walk at 2."""
    return _filtered(draw.noise[0], lambda angles: angles ** (-exponent / 2))


def _steps(rate: np.ndarray, draw: _Draw) -> np.ndarray:
    """A level that jumps at random times."""
    return np.asarray(np.cumsum(_happens(draw.noise[0], rate) * draw.noise[1], axis=-1))


def _shots(rate: np.ndarray, draw: _Draw) -> np.ndarray:
    """Random events, each dying away."""
    keep = np.exp(-1 / (3 + 12 * draw.u[0]))
    events = _happens(draw.noise[0], rate) * (0.5 + np.abs(draw.noise[1]))
    return _filtered(events, lambda angles: np.asarray(1 / (1 - keep * np.exp(-1j * angles))))


FAMILIES: dict[str, tuple[float, float, Callable[[np.ndarray, _Draw], np.ndarray]]] = {
    "tone": (4, 128, _tone),
    "harmonics": (3, 48, _harmonics),
    "beats": (1.04, 1.5, _beats),
    "square": (3, 60, _square),
    "saw": (3, 60, _saw),
    "rising chirp": (0.5, 4, _rising),
    "falling chirp": (0.5, 4, _falling),
    "AM": (2, 24, _amplitude_modulation),
    "FM": (1.5, 16, _frequency_modulation),
    "heartbeats": (3, 24, _heartbeats),
    "wavelet": (10, 120, _wavelet),
    "ringing": (15, 150, _ringing),
    "resonance": (8, 250, _resonance),
    "power law": (0.3, 3, _power_law),
    "steps": (4, 100, _steps),
    "shots": (4, 100, _shots),
}
"""Name → lowest and highest value of the parameter that tells its classes apart, and the formula.

Frequencies are in cycles and rates in events per signal; the others are said in the formula.
"""
