"""When blocks are compiled: where a run asks for it, or on a GPU earns the wait back; and where they cannot be."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch._dynamo.exc import TorchDynamoException

from pare.config import Run
from pare.method import blocks
from pare.method.bodies.swin import SwinBody
from pare.training import compilation
from pare.training.distributed import DistributedContext

RUN = Run(task="t", data="d", body="b", source="s", source_data="s").replace({"optimizer.batch": 32})
SWIN_B, LONG = 87_000_000, 7000


class Other(nn.Module):
    """A body of some family and size, which notes that it was compiled."""

    def __init__(self, size, possible=True):
        nn.Module.__init__(self)
        self.weight = nn.Parameter(torch.empty(size, device="meta"))
        self.possible, self.asked, self.every = possible, False, None

    def compile_blocks(self, every=True):
        self.asked, self.every = True, every
        return self.possible


class Swin(Other, SwinBody):
    """Takes the other class's place, and nothing of it."""


def world(device="cuda", size=1):
    return DistributedContext(0, size, SimpleNamespace(type=device))


@pytest.mark.parametrize(
    ("steps", "batch", "size", "every"),
    [
        (6500, 32, SWIN_B, None),
        (6900, 32, SWIN_B, False),
        (19_000, 32, SWIN_B, False),
        (21_000, 32, SWIN_B, True),
        (5200, 128, SWIN_B, True),
        (100_000, 32, 1_000_000, None),
    ],
)
def test_a_run_compiles_what_saves_it_most_time(steps, batch, size, every):
    """Swin-B at batch 32 breaks even at some 6,700 steps; a small body has little to gain."""
    one = Swin(size)
    compilation.compile_blocks(one, RUN.replace({"optimizer.batch": batch}), steps, world())
    assert one.every is every


@pytest.mark.parametrize(
    ("changes", "steps", "where", "body", "done"),
    [
        ({}, LONG, world(), Swin, True),
        ({}, 5000, world(), Swin, False),
        ({}, LONG, world("cpu"), Swin, False),
        ({}, LONG, world(size=2), Swin, False),
        ({}, LONG, world(), Other, False),
        ({"compile_long": False}, LONG, world(), Swin, False),
        ({"compile": True, "compile_long": False}, 1, world("cpu", 2), Other, True),
    ],
    ids=["long", "short", "on a CPU", "several workers", "not measured", "refused", "asked for"],
)
def test_a_run_compiles_where_it_pays_or_is_asked_to(changes, steps, where, body, done):
    one = body(SWIN_B)
    assert compilation.compile_blocks(one, RUN.replace(changes), steps, where) == one.asked == done


def test_only_a_run_that_asked_is_told_that_it_cannot_be(caplog):
    assert not compilation.compile_blocks(Swin(SWIN_B, possible=False), RUN, LONG, world())
    assert not caplog.records
    assert not compilation.compile_blocks(Swin(SWIN_B, possible=False), RUN.replace({"compile": True}), LONG, world())
    (record,) = caplog.records
    assert "are not compiled" in record.getMessage()


def test_where_the_compiler_fails_the_block_itself_runs_and_says_so_once(monkeypatch, caplog):
    def no_compiler(block, dynamic):
        def fail(*_):
            raise TorchDynamoException("Failed to find C compiler.\nmore")

        return fail

    monkeypatch.setattr(torch, "compile", no_compiler)
    run = blocks.compiled(lambda x: 2 * x)
    assert [run(torch.ones(())).item() for _ in range(2)] == [2, 2]
    assert [record.getMessage() for record in caplog.records] == [
        "the blocks are not compiled: Failed to find C compiler."
    ]
