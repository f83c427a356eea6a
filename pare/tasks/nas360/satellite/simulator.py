"""A year of a field's greenness seen from orbit, by crop, simulated: seasons, weather and clouds.

A season is the double logistic curve of phenology (Beck et al. 2006, Remote Sensing of Environment 100:321): a field
greens up about one day of the year and browns about another.
"""

import numpy as np

CROPS, LENGTH = 24, 46

_DAYS = np.linspace(5, 360, LENGTH)
"""When the satellite passed, in days of the year."""


def _calendar() -> dict[str, np.ndarray]:
    """Return each crop's bare ground, greenest value, days and speed of greening and browning, second season."""
    rng = np.random.default_rng(24)
    return {
        "ground": rng.uniform(0.1, 0.3, CROPS),
        "rise": rng.uniform(0.25, 0.6, CROPS),
        "start": rng.uniform(40, 190, CROPS),
        "season": rng.uniform(50, 150, CROPS),
        "pace": rng.uniform(6, 20, CROPS),
        "second": np.where(rng.random(CROPS) < 0.35, rng.uniform(0.3, 0.8, CROPS), 0),
    }


_CALENDAR = _calendar()

SHARES = 1 / (1 + np.arange(CROPS) / 6)
SHARES /= SHARES.sum()
"""The share of each crop: the rarest is grown a fifth as often as the commonest."""


def simulate(crops: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Greenness of a field of each crop (n,) through the year: (n, 46) float64, the vegetation index NDVI."""
    n = len(crops)
    ground, rise, start, season, pace, second = (values[crops][:, None] for values in _CALENDAR.values())
    start = start + rng.normal(0, 6, (n, 1))
    season = season * np.exp(rng.normal(0, 0.06, (n, 1)))
    curve = _season(start, season, pace) + second * _season(start + season + 50, 0.6 * season, pace)
    greenness = ground + rng.normal(0, 0.03, (n, 1)) + rise * np.exp(rng.normal(0, 0.12, (n, 1))) * curve
    greenness += rng.normal(0, 0.02, greenness.shape)
    # A cloud hides the field, wholly or in part, more often in winter.
    cloudy = rng.random(greenness.shape) < 0.06 + 0.08 * np.abs(_DAYS - 180) / 180
    seen = np.where(cloudy, greenness * rng.uniform(0, 0.7, greenness.shape), greenness)
    return np.asarray(seen.clip(-0.1, 1))


def _season(start: np.ndarray, length: np.ndarray, pace: np.ndarray) -> np.ndarray:
    def logistic(day: np.ndarray) -> np.ndarray:
        return np.asarray(1 / (1 + np.exp(-((_DAYS - day) / pace).clip(-50, 50))))

    return logistic(start) - logistic(start + length)
