"""What the shipped bodies' pretraining is worth: `python -m tests.bench.transfer [--tasks …] [--seeds N]`.

Every seed draws new training samples, weights and order, the same for all three arms: naive fine-tuning of the random
body, of the pretrained one, and PaRe on the pretrained one (published weight of the mixed pass by modality, unsearched
curriculum). One learning rate for all; no validation, no choice: the model after the last step is scored on the test
samples. Minutes on one core; prints a Markdown table of mean ± standard deviation.
"""

import argparse
import statistics as stats
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits

from pare import tasks
from pare.config import Run
from pare.method import methods
from pare.method.criterion import cross_entropy
from pare.method.curriculum import patches, share
from pare.method.objective import Criterion, Mixing
from pare.tasks.task import Metric, Split
from pare.training import optim
from pare.training.evaluate import predict
from pare.training.order import Order
from pare.training.world import World

ARMS = {"random, nft": "scratch", "pretrained, nft": "nft", "pretrained, pare": "pare"}
RATE = 1e-3
SOURCES, TESTS = 512, 400
"""Source samples, and test samples at most."""


@dataclass(frozen=True)
class Problem:
    """A small task: interface, samples to train on (drawn anew by each seed) and to test on."""

    shape: tuple[int, ...]
    outputs: tuple[int, ...]
    train: Split
    test: Split
    metric: Metric
    steps: int
    shots: int | None = None
    """Training samples per class; None for all."""
    kind: str = "classification"
    criterion: Criterion = cross_entropy
    patch: int = 1
    batch: int = 32
    statistics: Mapping[str, np.ndarray] = field(default_factory=dict)

    def assemble(self, x):
        return x


def accuracy(predictions, targets):
    return 100 * float(np.mean(predictions.argmax(1) == targets))


ACCURACY = Metric("accuracy", "maximize", accuracy, unit="%")


def quietly(done, total):
    """No progress."""


def made(name, recipe, steps, **more):
    """A task of the package on a small synthetic set."""
    task = tasks.get(name)
    with tempfile.TemporaryDirectory() as folder:
        task.synthesise(Path(folder), recipe, quietly)
        raw = task.read(Path(folder), quietly)
    rows = np.sort(np.random.default_rng(0).permutation(len(raw.test))[:TESTS])
    return Problem(
        task.shape,
        task.outputs,
        raw.train,
        Split(raw.test.x[rows], raw.test.y[rows], raw.test.group[rows]),
        task.metric,
        steps,
        kind=task.kind,
        criterion=task.criterion,
        statistics=raw.statistics,
        **more,
    )


def table(x, y, shape, steps, **more):
    """A problem of ten samples per class from arrays: a fixed half to draw them from, the other to test on."""
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype(np.float32).reshape(-1, *shape), y[order].astype(np.int64)
    half = len(x) // 2
    train, test = (
        Split(x[rows], y[rows], np.arange(len(x))[rows]) for rows in (slice(half), slice(half, half + TESTS))
    )
    return Problem(shape, (int(y.max()) + 1,), train, test, ACCURACY, steps, shots=10, **more)


def digits():
    data = load_digits()
    scale = {"input_mean": np.array(data.data.mean()), "input_std": np.array(data.data.std())}
    return table(data.data, data.target, (1, 8, 8), 60, statistics=scale)


def wdbc():
    data = load_breast_cancer()
    x = np.log1p(data.data)  # without this the columns are skewed
    return table((x - x.mean(0)) / x.std(0), data.target, (1, 30), 100, batch=20)


PROBLEMS: Mapping[str, Callable[[], Problem]] = {
    "digits": digits,
    "darcy": lambda: made("darcy", {"train": 160, "test": 60, "resolution": 85, "seed": 0}, 100, batch=10),
    "ecg": lambda: made("ecg", {"records": 400, "seconds": 12.0, "seed": 0}, 150, patch=20),
    "wdbc": wdbc,
}


def source_of(problem):
    """The source proxy of the problem's modality, and samples of it."""
    proxy = tasks.get("fractals" if len(problem.shape) == 3 else "signals")
    instances = np.arange(SOURCES)
    classes = instances % proxy.outputs[0]
    x = proxy.encode(proxy.make(classes, instances, proxy.recipes["laptop"]))
    return proxy, x, classes, proxy.statistics(x)


def drawn(problem, seed):
    """The training rows of a seed."""
    if problem.shots is None:
        return np.arange(len(problem.train))
    rng = np.random.default_rng(seed)
    each = [np.flatnonzero(problem.train.y == c) for c in range(problem.outputs[0])]
    return np.concatenate([rng.choice(rows, problem.shots, replace=False) for rows in each])


def score(problem, source, method, seed):
    """Test metric and seconds of one run."""
    began = time.perf_counter()
    proxy, source_x, source_y, source_statistics = source
    image = len(problem.shape) == 3
    rates = {f"optimizer.lr.{group}": RATE for group in ("embedder", "body", "gate", "heads")}
    run = Run(task="t", data="", source="s", source_data="", body="swin-mini" if image else "roberta-mini").replace(
        {
            **rates,
            "method": method,
            "patch": problem.patch,
            "mix_weight": 0.3 if image else 0.1,
            "curriculum.start": 0.32,
            "curriculum.end": 0.16,
            "optimizer.batch": problem.batch,
        }
    )
    torch.manual_seed(seed)
    objective = methods.build(run, problem, problem.criterion, problem.statistics, proxy, source_statistics)
    optimizer = optim.build(objective, run.optimizer)
    rows = drawn(problem, seed)
    x, y = torch.from_numpy(np.array(problem.train.x[rows])), torch.from_numpy(np.array(problem.train.y[rows]))
    order = Order(seed=seed, samples=len(rows), sources=SOURCES, batch=run.optimizer.batch)
    tokens = (objective.model.tokens, objective.model.body.source_tokens(proxy.extent))
    world, step, epoch = World.current(), 0, 0
    while step < problem.steps:
        for (part,) in order.epoch(epoch):
            if step == problem.steps:
                break
            mixing = None
            if method == "pare":
                progress = step / problem.steps
                k = torch.tensor(patches(share(run.curriculum, progress), *tokens))
                noise = order.noise(step, part.rows, tokens, world.device) if progress < run.gate.noise_until else None
                chosen = torch.from_numpy(source_x[part.source]), torch.from_numpy(source_y[part.source])
                mixing = Mixing(*chosen, k, noise)
            optim.schedule(optimizer, run.optimizer, step, problem.steps)
            optimizer.zero_grad()
            objective(x[part.target], y[part.target], mixing).total.mean().backward()
            optimizer.step()
            step += 1
        epoch += 1
    predictions = predict(objective.model, problem, problem.test.x, world)
    return problem.metric.compute(predictions, problem.test.y), time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| task | {' | '.join(ARMS)} | s a run |\n| :-- |{' --: |' * (len(ARMS) + 1)}")
    for name in arguments.tasks:
        problem = PROBLEMS[name]()
        source = source_of(problem)
        cells, seconds = [], []
        for method in ARMS.values():
            values, spent = zip(*(score(problem, source, method, seed) for seed in range(arguments.seeds)), strict=True)
            spread = stats.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{stats.mean(values):.4g} ± {spread:.2g}")
            seconds.append(f"{stats.mean(spent):.0f}")
        metric = f"{problem.metric.name}{f' ({problem.metric.unit})' if problem.metric.unit else ''}"
        better = {"minimize": "lower", "maximize": "higher"}[problem.metric.direction]
        size = len(drawn(problem, 0))
        label = f"{name}, {size} training samples: {metric}, {better} is better"
        print(f"| {label} | {' | '.join(cells)} | {' / '.join(seconds)} |", flush=True)


if __name__ == "__main__":
    main()
