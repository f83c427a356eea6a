"""Rates of the renderers, median of several rounds: `python -m tests.bench.data.rendering`."""

import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np

from pare.data.synthetic import render as pictures
from pare.data.synthetic import waveforms
from pare.data.synthetic.ifs import point_sets

BATCH, BATCHES, ROUNDS = 128, 8, 7


def per_second(render: Callable[[np.ndarray, np.ndarray], object]) -> float:
    """Samples per second of `render(classes, instances)`, after one round to warm up."""
    classes, rates = np.arange(BATCH) % 64, []
    for part in range(ROUNDS + 1):
        begun = time.perf_counter()
        for k in range(BATCHES):
            render(classes, np.arange(BATCH) + (part * BATCHES + k) * BATCH)
        rates.append(BATCH * BATCHES / (time.perf_counter() - begun))
    return median(rates[1:])


def main() -> None:
    begun = time.perf_counter()
    sets = point_sets(64)
    print(f"point sets of 64 classes: {time.perf_counter() - begun:.2f} s")
    for size in (32, 64, 128):
        rate = per_second(partial(pictures.render, sets, size=size))
        print(f"fractals {size} by {size}: {rate:,.0f} images/s")
    for length in (250, 1000):
        rate = per_second(partial(waveforms.render, length=length))
        print(f"signals of {length} samples: {rate:,.0f} signals/s")


if __name__ == "__main__":
    main()
