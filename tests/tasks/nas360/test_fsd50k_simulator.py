import numpy as np
import pytest

from pare.tasks.nas360.fsd50k import logmel, simulator

SECONDS = 12


@pytest.fixture(scope="module")
def spectra():
    """Mean spectrum and its deviation over time of each second (labels, seconds, 192), one label at a time."""
    made = []
    for label in range(8):
        rng = np.random.default_rng(label)
        audio = np.stack([simulator._clip([label], logmel.RATE, rng) for _ in range(SECONDS)])
        assert np.abs(audio).max() <= 1
        levels = logmel.decibels(audio)
        made.append(np.concatenate([levels.mean(2), levels.std(2)], axis=1))
    return np.stack(made)


def test_labels_are_told_by_their_spectra(spectra):
    half = SECONDS // 2
    centres = spectra[:, :half].mean(1)
    held_out = spectra[:, half:]
    nearest = np.linalg.norm(held_out[:, :, None] - centres, axis=3).argmin(2)
    assert (nearest == np.arange(8)[:, None]).mean() > 0.8


def test_no_two_seconds_of_a_label_are_alike(spectra):
    assert np.ptp(spectra, axis=1).max(1).min() > 1
