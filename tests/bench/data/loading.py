"""Whether the feed outruns the training step: `python -m tests.bench.data.loading [--tasks …] [--data-root DIR]`.

For every task, prepared by the laptop preset: samples per second that the feed makes (gathered from the memory map,
augmented, assembled, on the device), and that a step of the laptop body takes in (forward and backward of `nft`, whose
appetite is the largest). With CUDA the step is the GPU's and seconds are the clock's; without, both have one thread and
seconds are the processor's, so that a busy machine does not matter. Both alternate; medians are printed. Then memory:
what the feed adds to a process at its peak, and how much of the mapped training split each of two processes that read
it whole has resident, and how much of that is its own share (PSS): half of it, if no copy is made. Linux only.
"""

import argparse
import itertools
import multiprocessing
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from pare import tasks
from pare.config import Run
from pare.data import store
from pare.data.store import Prepared
from pare.method import methods
from pare.training import prefetch
from pare.training.sampling import Order
from tests.conftest import quietly

SECONDS, MEGABYTE = 1.0, 2**20


@dataclass(frozen=True)
class Row:
    """What was measured of a task; bytes, and samples per second."""

    batch: int
    feed: float
    step: float
    peak: int


def measure(name: str, data: Prepared, rounds: int) -> Row:
    """Feed and step by turns, in a process of their own."""
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    task = tasks.get(name)
    run = Run(task=name, data="", body="", source="", source_data="", method="nft").replace(
        {**task.paper, **task.laptop}
    )
    side = prefetch.TrainSet(task, data.split("train"))
    order = Order(0, len(side), 1, run.optimizer.batch, run.optimizer.accumulate)
    epochs = (prefetch.epoch(order, number, side, None, device) for number in itertools.count())
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    batches = (batch for epoch in epochs for parts in epoch for _, batch in parts)
    fed = [_rate(lambda: len(next(batches).x), device)]
    peak = _status("VmHWM") - before

    objective = methods.build(run, task, task.criterion, data.statistics, tasks.get(run.source), {}).to(device)
    batch = next(batches)

    def step() -> int:
        objective.zero_grad()
        objective(batch.x, batch.y, None).total.mean().backward()
        return len(batch.x)

    _rate(step, device)
    stepped = []
    for _ in range(rounds):
        fed.append(_rate(lambda: len(next(batches).x), device))
        stepped.append(_rate(step, device))
    return Row(order.size, statistics.median(fed[1:]), statistics.median(stepped), peak)


def _rate(act: Callable[[], int], device: torch.device) -> float:
    """Samples per second of an action that says how many it was, repeated for a second and twice at least."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    done, began = 0, clock()
    for number in itertools.count(1):
        done += act()
        if device.type == "cuda":
            torch.cuda.synchronize()
        spent = clock() - began
        if number > 1 and spent > SECONDS:
            return done / spent
    raise AssertionError


def read_whole(data: Prepared, both: Barrier) -> tuple[int, int]:
    """Resident and proportional size of the mapped training split once this process and another one have read it."""
    split = data.split("train")
    for start in range(0, len(split), 64):
        np.sum(split.x[start : start + 64], dtype=np.float64)
        np.sum(split.y[start : start + 64], dtype=np.float64)
    both.wait()
    maps = Path("/proc/self/smaps").read_text()
    both.wait()
    own = re.findall(rf"{re.escape(str(data.root / data.key))}/train\.arrow\n(.*?)VmFlags", maps, re.DOTALL)
    rss, pss = (sum(_bytes(field, each) for each in own) for field in ("Rss", "Pss"))
    return rss, pss


def _status(field: str) -> int:
    return _bytes(field, Path("/proc/self/status").read_text())


def _bytes(field: str, text: str) -> int:
    """A figure in kB of one of Linux's tables."""
    found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
    assert found
    return 1024 * int(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=tasks.names(), choices=tasks.names())
    parser.add_argument("--rounds", type=int, default=5, help="of a second of feed and a second of steps each")
    parser.add_argument(
        "--data-root", type=Path, help="where prepared data lies or goes, instead of a temporary folder"
    )
    chosen = parser.parse_args()
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["pare.method.methods", "pare.training.prefetch"])
    table = Table("task", "batch", "feed/s", "step/s", "feed / step", "peak RSS added", "mapped, of which own")
    with tempfile.TemporaryDirectory() as temporary:
        root = (chosen.data_root or Path(temporary)).resolve()
        for name in chosen.tasks:
            data = store.prepare(tasks.get(name), root, "laptop", quietly)
            with ProcessPoolExecutor(1, processes) as alone:
                row = alone.submit(measure, name, data, chosen.rounds).result()
            with processes.Manager() as manager, ProcessPoolExecutor(2, processes) as pool:
                both = manager.Barrier(2)
                sizes = [future.result() for future in [pool.submit(read_whole, data, both) for _ in range(2)]]
            table.add_row(
                name,
                str(row.batch),
                f"{row.feed:,.0f}",
                f"{row.step:,.0f}",
                f"{row.feed / row.step:.1f}",
                _mb(row.peak),
                f"{_mb(max(rss for rss, _ in sizes))}, {_mb(max(pss for _, pss in sizes))}",
            )
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "one thread of a CPU"
    Console().print(f"samples per second, steps on {device}", table)


def _mb(count: int) -> str:
    return f"{count / MEGABYTE:,.0f} MB"


if __name__ == "__main__":
    main()
