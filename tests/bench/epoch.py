"""What an epoch costs at the paper's size, loading, validation and checkpoint included: `python -m tests.bench.epoch`.

Darcy with Swin-B at batch 4: 900 fields of 85², 100 to validate on, a source of fractals; numbers are random, and so
are the weights. One line an epoch: its seconds, those of its training, and the share that was not.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from transformers import SwinConfig, SwinModel

from pare import tasks
from pare.config import Run
from pare.data.task import Split
from pare.training.loop import fit
from tests.bench.step import SWIN

SIZES = {"train": 900, "val": 100}


class Data:
    """Random samples in the shapes of a task."""

    statistics: ClassVar[dict[str, np.ndarray]] = {}

    def __init__(self, task):
        self._task, self._rng = task, np.random.default_rng(0)

    def split(self, name):
        n = SIZES[name]
        x = self._rng.standard_normal((n, *self._task.shape), dtype=np.float32)
        if self._task.kind == "classification":
            y = self._rng.integers(self._task.output_shape[0], size=n)
        else:
            y = self._rng.standard_normal((n, *self._task.output_shape), dtype=np.float32)
        return Split(x, y, np.arange(n))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--methods", nargs="+", default=["nft", "pare"])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--body", help="a folder or a small body's name instead of Swin-B")
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        body = arguments.body or f"{folder}/swin-base"
        if not arguments.body:
            SwinModel(SwinConfig(**SWIN, drop_path_rate=0.0), add_pooling_layer=False).save_pretrained(body)
        for method in arguments.methods:
            run = Run(
                task="darcy",
                data="",
                body=body,
                source="fractals",
                source_data="",
                method=method,
                compile=arguments.compile,
            )
            run = run.replace({"epochs": arguments.epochs, "optimizer.batch": arguments.batch})
            last = began = time.perf_counter()

            def report(figures, method=method):
                nonlocal last
                now, training = time.perf_counter(), SIZES["train"] / figures["samples_per_second"]
                print(
                    f"{method} epoch {figures['epoch']}: {now - last:6.2f} s, training {training:6.2f} s, "
                    f"loss {figures['loss']:.4f}, {figures['memory']:.1f} GiB",
                    flush=True,
                )
                last = now
                return True

            task, source = tasks.get(run.task), tasks.get(run.source)
            fit(run, task, source, Data(task), Data(source), Path(folder) / method, report)
            print(f"{method}: {time.perf_counter() - began:.1f} s in all", flush=True)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
