"""What several trials reach together that share a GPU: `python -m tests.bench.sharing [--trials 4]`.

ECG at the laptop preset's size, a process a trial, first one alone and then all at once; medians of the samples a
second after the first epoch, in which a trial's steps are recorded as CUDA graphs. Without a GPU they share the cores.
"""

import argparse
import multiprocessing
import statistics
import tempfile
from pathlib import Path

import torch

from pare import tasks
from pare.config import Run
from pare.data import store
from pare.training.loop import train

SOURCE = "signals"


def prepared(root):
    """The keys of the task's and its source's data, made ready below `root`."""
    return [store.prepare(tasks.get(name), root, "laptop", lambda *_: None).key for name in ("ecg", SOURCE)]


def trial(number, root, epochs, begin, rates):
    """Train each method that is asked for, and answer with its rates."""
    ecg, signals = prepared(root)
    run = Run(task="ecg", data=ecg, body="roberta-mini", source=SOURCE, source_data=signals)
    run = run.replace({**tasks.get("ecg").paper, **tasks.get("ecg").laptop, "epochs": epochs, "seed": number})
    while (method := begin.recv()) is not None:
        found = []
        with tempfile.TemporaryDirectory() as folder:
            train(
                run.replace({"method": method}),
                root,
                Path(folder),
                lambda figures, found=found: found.append(figures["samples_per_second"]) or True,
            )
        rates.send(statistics.median(found[1:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--methods", nargs="+", default=["nft", "pare"])
    parser.add_argument("--root", type=Path, default=Path("/tmp/pare-data"))
    arguments = parser.parse_args()
    print(torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU", torch.__version__, flush=True)
    prepared(arguments.root)
    context, pipes = multiprocessing.get_context("spawn"), []
    for number in range(arguments.trials):
        (begin, ours), (theirs, rates) = context.Pipe(duplex=False), context.Pipe(duplex=False)
        job = (number, arguments.root, arguments.epochs, begin, rates)
        context.Process(target=trial, args=job, daemon=True).start()
        pipes.append((ours, theirs))

    def together(method, some):
        for begin, _ in some:
            begin.send(method)
        return [rates.recv() for _, rates in some]

    for method in arguments.methods:
        together(method, pipes)  # every process has imported and compiled what it needs
        (alone,), shared = together(method, pipes[:1]), together(method, pipes)
        print(
            f"{method}: one alone {alone:,.0f} samples/s, {len(shared)} together {sum(shared):,.0f} "
            f"({', '.join(f'{rate:,.0f}' for rate in shared)}): {sum(shared) / alone:.2f} x",
            flush=True,
        )
    for begin, _ in pipes:
        begin.send(None)


if __name__ == "__main__":
    main()
