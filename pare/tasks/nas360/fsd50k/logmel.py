"""Log-mel spectrograms as the benchmark takes them: torchaudio's `MelSpectrogram` by its defaults, in decibels."""

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft
from scipy.signal.windows import hann

RATE = 22050
"""Samples per second."""

BANDS = 96
TRANSFORM, WINDOW, HOP = 96 * 20, int(RATE * 0.03), int(RATE * 0.01)
"""Samples of a Fourier transform, of the window in its middle, and from one window to the next."""

_FLOOR, _RANGE = 1e-10, 80.0
"""The least power, and how many decibels of a spectrogram are kept below its loudest point."""


def decibels(audio: np.ndarray) -> np.ndarray:
    """Spectrograms (n, 96, 1 + samples // 220) float32 in dB, each of mean 0, of audio (n, samples) in [-1, 1].

    The published 75 dB are not added, for the mean is subtracted afterwards.
    """
    margin = TRANSFORM // 2
    padded = np.pad(audio.astype(np.float32), [(0, 0), (margin, margin)], mode="reflect")
    # Outside its window a transform sees zeros, so that only the window need be cut out.
    start, frames = (TRANSFORM - WINDOW) // 2, 1 + audio.shape[1] // HOP
    windows = sliding_window_view(padded[:, start:], WINDOW, axis=1)[:, ::HOP][:, :frames]
    spectrum = rfft(windows * hann(WINDOW, sym=False).astype(np.float32), TRANSFORM, axis=2)
    power = (spectrum.real**2 + spectrum.imag**2) @ filters()
    level = 10 * np.log10(np.maximum(power, _FLOOR))
    level = np.maximum(level, level.max((1, 2), keepdims=True) - _RANGE)
    return np.swapaxes(level - level.mean((1, 2), keepdims=True), 1, 2).astype(np.float32)


@cache
def filters() -> np.ndarray:
    """Triangles (961, 96) over the frequencies of a transform, their corners equally far apart in mel (HTK's)."""
    frequencies = np.linspace(0, RATE // 2, TRANSFORM // 2 + 1)
    top = 2595 * np.log10(1 + (RATE // 2) / 700)
    corners = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    rising = (frequencies[:, None] - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - frequencies[:, None]) / np.diff(corners)[1:]
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
