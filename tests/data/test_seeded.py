import numpy as np

from pare.data.seeded import uniform

SEEDS = np.arange(20_000, dtype=np.uint64)


def test_numbers_are_uniform_and_uncorrelated():
    numbers = uniform(SEEDS, 4)
    assert 0 <= numbers.min() < 1e-3
    assert 1 - 1e-3 < numbers.max() < 1
    counts = np.histogram(numbers, 20, (0, 1))[0]
    assert ((counts - 4000) ** 2 / 4000).sum() < 40
    neighbours = np.column_stack([numbers[:-1], numbers[1:]])
    assert np.abs(np.corrcoef(neighbours.T) - np.eye(8)).max() < 0.03


def test_a_seed_gives_the_same_in_any_batch():
    seeds = np.random.default_rng(0).integers(0, 2**64, 8, dtype=np.uint64)
    assert np.array_equal(uniform(seeds, 3)[5], uniform(seeds[5:6], 7)[0, :3])
