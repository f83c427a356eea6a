from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pare import tasks
from pare.data import store
from pare.data.task import Split
from pare.training import prefetch
from pare.training.sampling import Order

CPU = torch.device("cpu")


def side(groups, by_group, augment=lambda x, y, _: (x, y)):
    n = len(groups)
    split = Split(np.arange(n, dtype=np.float32)[:, None], np.arange(n), np.array(groups))
    return prefetch.TrainSet(SimpleNamespace(drawn_by_group=by_group, augment=augment, assemble=np.asarray), split)


def order(target, source=None, **changes):
    sources = len(source) if source else 1
    return Order(**{"seed": 0, "samples": len(target), "sources": sources, "batch": 4} | changes)


def test_an_epoch_brings_the_samples_that_the_order_names():
    target, source = side(range(10), False), side(range(7), False)
    plan = order(target, source)
    for parts in prefetch.epoch(plan, 3, target, source, CPU):
        for part, batch in parts:
            assert np.array_equal(batch.x[:, 0], part.target)
            assert np.array_equal(batch.source_y, part.source)


def test_without_a_source_none_is_loaded():
    target = side(range(8), False)
    assert all(b.source_x is None for parts in prefetch.epoch(order(target), 0, target, None, CPU) for _, b in parts)


def test_groups_are_visited_once_at_a_member_drawn_anew():
    groups = [0, 0, 0, 5, 5, 7, 7, 7, 7]
    target = side(groups, True)
    assert len(target) == 3
    seen = set()
    for epoch in range(40):
        ((_, batch),) = next(iter(prefetch.epoch(order(target, batch=3), epoch, target, None, CPU)))
        members = batch.y.tolist()
        assert sorted(groups[m] for m in members) == [0, 5, 7]
        seen |= set(members)
    assert seen == set(range(9)), "every member comes, sooner or later"


def test_augmentation_is_the_same_on_one_worker_and_on_two():
    def jitter(x, y, seeds):
        return x + (seeds % np.uint64(97)).astype(np.float32)[:, None], y

    target = side(range(8), False, jitter)
    (one,) = next(iter(prefetch.epoch(order(target), 1, target, None, CPU)))
    two = [next(iter(prefetch.epoch(order(target, workers=2, rank=r), 1, target, None, CPU)))[0][1] for r in (0, 1)]
    assert torch.equal(torch.cat([b.x for b in two]), one[1].x)


def test_augmentation_changes_with_the_epoch_and_leaves_the_split_alone():
    target = side(range(8), False, lambda x, y, seeds: (np.multiply(x, 0, out=x) + seeds[:, None] % 1000, y))
    first, second = (next(iter(prefetch.epoch(order(target), e, target, None, CPU)))[0][1].x for e in (0, 1))
    assert not torch.equal(first, second)
    assert np.array_equal(target.split.x[:, 0], np.arange(8))


def test_an_error_while_loading_reaches_the_loop():
    def broken(x, y, seeds):
        raise ValueError("no such file")

    target = side(range(8), False, broken)
    with pytest.raises(ValueError, match="no such file"):
        list(prefetch.epoch(order(target), 0, target, None, CPU))


def test_a_set_on_the_device_sends_what_the_set_on_the_host_sends():
    target = side([0, 0, 0, 5, 5, 5, 7, 7, 7], True)
    units, seeds = np.array([2, 0, 1]), np.array([7, 8, 9], dtype=np.uint64)
    for ours, theirs in zip(
        prefetch.DeviceSet(target, CPU).send(units, seeds, CPU), target.send(units, seeds, CPU), strict=True
    ):
        assert torch.equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def test_on_a_cpu_data_stays_where_it_is():
    target = side(range(8), False)
    assert prefetch.place(target, CPU) is target


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", ["ecg", "darcy"])
def test_batches_on_a_gpu_are_those_on_the_host(name, make_run, root):
    run = make_run(name)
    task, data = tasks.get(name), store.load(root, run.data)
    target = prefetch.TrainSet(task, data.split("train"))
    gpu = torch.device("cuda")
    placed = prefetch.place(target, gpu)
    assert isinstance(placed, prefetch.DeviceSet)
    plan = order(target)
    there, here = (prefetch.epoch(plan, 1, on, None, at) for on, at in ((placed, gpu), (target, CPU)))
    for theirs, ours in zip(there, here, strict=True):
        assert torch.equal(theirs[0][1].x.cpu(), ours[0][1].x)
        assert torch.equal(theirs[0][1].y.cpu(), ours[0][1].y)
