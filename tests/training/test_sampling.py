import itertools
import math

import numpy as np
import pytest
import torch

from pare.errors import RequestError
from pare.training.sampling import Order

CPU = torch.device("cpu")


def whole(**changes):
    return Order(**{"seed": 3, "samples": 23, "sources": 9, "batch": 8} | changes)


def flattened(order, epoch=0):
    return [
        [np.concatenate(part) for part in zip(*[(p.target, p.source) for p in step], strict=True)]
        for step in order.epoch(epoch)
    ]


def test_every_sample_at_most_once_an_epoch_and_another_order_the_next():
    first, second = (np.concatenate([step[0] for step in flattened(whole(), epoch)]) for epoch in (0, 1))
    assert len(first) == 16 == len(set(first))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, np.concatenate([step[0] for step in flattened(whole(), 0)]))


def test_what_one_epoch_leaves_over_another_sees():
    seen = {i for epoch in range(12) for step in flattened(whole(), epoch) for i in step[0]}
    assert seen == set(range(23))


@pytest.mark.parametrize(("workers", "accumulate"), [(2, 1), (1, 3), (2, 2), (3, 1)])
def test_workers_and_parts_divide_the_same_batch(workers, accumulate):
    order = whole()
    split = [whole(workers=workers, accumulate=accumulate, rank=rank) for rank in range(workers)]
    for step, parts in enumerate(zip(*[o.epoch(1) for o in split], strict=True)):
        ranked = list(itertools.chain(*parts))
        (one,) = list(order.epoch(1))[step]
        assert np.array_equal(np.concatenate([p.target for p in ranked]), one.target)
        assert np.array_equal(np.concatenate([p.source for p in ranked]), one.source)
        noise = order.noise(step, one.rows, (5, 4), CPU)
        pieces = [split[0].noise(step, p.rows, (5, 4), CPU) for p in ranked]
        for side in (0, 1):
            assert torch.equal(torch.cat([piece[side] for piece in pieces]), noise[side])


def test_noise_differs_by_step_and_seed():
    rows = slice(0, 8)
    first = whole().noise(0, rows, (5, 4), CPU)[0]
    assert not torch.equal(first, whole().noise(1, rows, (5, 4), CPU)[0])
    assert not torch.equal(first, whole(seed=4).noise(0, rows, (5, 4), CPU)[0])


def test_a_small_training_set_makes_a_smaller_batch():
    order = whole(samples=5)
    assert (order.size, order.steps) == (5, 1)


def test_more_parts_than_samples_are_refused():
    with pytest.raises(RequestError, match="at least one sample a part"):
        whole(workers=4, accumulate=3)


def test_workers_drop_out_differently():
    assert whole(rank=0, workers=2).dropout_seed(1) != whole(rank=1, workers=2).dropout_seed(1)
    assert whole().dropout_seed(1) == whole().dropout_seed(1) != whole().dropout_seed(2)


@pytest.mark.parametrize("share", [0.25, 0.3, 0.5, 1.0])
def test_the_same_rows_are_mixed_however_a_batch_is_split(share):
    def mixed(workers, accumulate):
        rows, sources = [], []
        for rank in range(workers):
            order = Order(
                seed=1,
                samples=24,
                sources=99,
                batch=24,
                accumulate=accumulate,
                rank=rank,
                workers=workers,
                mix_share=share,
            )
            for part in next(order.epoch(0)):
                rows += (part.mixed + part.rows.start).tolist()
                sources += part.source.tolist()
        return rows, sources

    whole = mixed(1, 1)
    assert whole == mixed(1, 4) == mixed(3, 2)
    assert len(whole[0]) == max(1, math.ceil(24 * share)) == len(whole[1])
    assert max(np.diff([*whole[0], 24])) <= math.ceil(1 / share) + 1, "spread evenly"


def test_a_share_that_mixes_no_sample_of_a_part_is_refused():
    with pytest.raises(RequestError, match=r"mix_share is 0\.1: of a part of 6 samples that mixes none"):
        Order(seed=1, samples=24, sources=9, batch=24, accumulate=4, mix_share=0.1)
