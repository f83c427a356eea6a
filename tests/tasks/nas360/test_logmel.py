import numpy as np
import pytest
import torch

from pare.tasks.nas360.fsd50k import logmel
from pare.tasks.nas360.fsd50k.logmel import HOP, RATE, TRANSFORM, WINDOW


def test_transforms_are_as_long_as_published():
    assert (TRANSFORM, WINDOW, HOP) == (1920, 661, 220)


def test_filters_are_triangles_between_equal_steps_of_mel():
    filters = logmel.filters()
    assert filters.shape == (961, 96)
    mel = np.linspace(0, 2595 * np.log10(1 + 11025 / 700), 98)
    corners = 700 * (10 ** (mel / 2595) - 1)
    frequencies = np.arange(961) * RATE / TRANSFORM
    for band in (0, 1, 40, 95):
        left, centre, right = corners[band : band + 3]
        for number, frequency in enumerate(frequencies):
            rising, falling = (frequency - left) / (centre - left), (right - frequency) / (right - centre)
            assert filters[number, band] == pytest.approx(max(0, min(rising, falling)), abs=1e-6)


def test_mel_has_its_textbook_values():
    # 1,000 Hz are 1,000 mel; half of the top's 3,210 mel are 2,204 Hz, where bands 47 and 48 meet.
    assert 2595 * np.log10(1 + 1000 / 700) == pytest.approx(1000, abs=0.1)
    peaks = logmel.filters().argmax(0) * RATE / TRANSFORM
    assert peaks[47] < 2204 < peaks[48]


def test_spectrograms_are_those_of_torch():
    audio = np.random.default_rng(0).normal(0, 0.1, (3, RATE)).astype(np.float32)
    audio[1] *= np.linspace(0, 1, RATE) ** 8
    audio[2] = 0
    spectrum = torch.stft(
        torch.from_numpy(audio), TRANSFORM, HOP, WINDOW, torch.hann_window(WINDOW), return_complex=True
    )
    power = np.einsum("nft,fb->nbt", spectrum.abs().square().numpy(), logmel.filters())
    level = 10 * np.log10(np.maximum(power, 1e-10))
    level = np.maximum(level, level.max((1, 2), keepdims=True) - 80) + 75
    expected = level - level.mean((1, 2), keepdims=True)
    actual = logmel.decibels(audio)
    assert actual.shape == (3, 96, 101)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=2e-3)


@pytest.mark.parametrize("frequency", [300, 1000, 5000])
def test_a_tone_shows_in_its_band(frequency):
    tone = np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE)[None]
    bands = logmel.decibels(tone)[0, :, 50]
    assert logmel.filters()[round(frequency * TRANSFORM / RATE), bands.argmax()] > 0.4
