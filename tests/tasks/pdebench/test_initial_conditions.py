import numpy as np

from pare.tasks.pdebench.initial_conditions import limited, rescaled, slopes, waves

X = (np.arange(512) + 0.5) / 512


def _many(count=400, **options):
    return np.stack([waves(np.random.default_rng(seed), X, **options) for seed in range(count)])


def test_a_wave_has_no_more_than_the_published_wavenumbers():
    fields = _many(100, windowed=0.0) * np.hanning(512)
    power = np.abs(np.fft.rfft(fields)) ** 2
    # Twice 4 at most, and a little for the window; an absolute value, of one in ten, has more.
    pure = power[:, 12:].sum(1) < 1e-6 * power.sum(1)
    assert 0.8 < pure.mean() < 1


def test_a_tenth_is_folded_and_a_tenth_is_windowed():
    outside = np.abs(_many(windowed=0.1)[:, [0, -1]]).max(1) < 1e-6
    assert 0.05 < outside.mean() < 0.16
    whole = _many(windowed=1.0)
    assert np.abs(whole[:, [0, -1]]).max() < 1e-6
    assert (np.abs(whole[:, 256]) > 0.01).mean() > 0.9


def test_rescaled_runs_from_zero_to_one():
    u = rescaled(_many(1)[0])
    assert (u.min(), u.max()) == (0, 1)


def test_slopes_of_a_line_are_exact_and_of_a_crest_flat():
    rising = np.array([0.0, 1.0, 2.0, 3.0, 2.0, 1.0])
    np.testing.assert_array_equal(slopes(rising), [0, 1, 1, 0, -1, -1])


def test_slopes_stay_between_neighbours():
    left, right = np.random.default_rng(0).standard_normal((2, 100))
    slope = limited(left, right)
    assert (np.abs(slope) <= 2 * np.minimum(np.abs(left), np.abs(right)) + 1e-12).all()
    assert (slope[left * right < 0] == 0).all()
