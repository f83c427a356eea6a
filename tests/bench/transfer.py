"""What the shipped bodies' pretraining is worth: `python -m tests.bench.transfer [--tasks …] [--seeds N]`.

An arm is a body and a method: naive fine-tuning of the random body, of the pretrained ones, and PaRe on those, with the
published weight of the mixed pass by modality and an unsearched curriculum. Each arm has the learning rate, of three,
at which its mean over two seeds is best on validation samples; then other seeds are scored on test samples, by the
model after the last step. A seed draws training samples, weights and order, the same for all arms. Some fifteen minutes
on one core; prints a Markdown table by modality, of mean ± standard deviation.
"""

import argparse
import statistics as stats
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits

from pare import tasks
from pare.config import Run
from pare.data.task import Metric, Split
from pare.losses import cross_entropy
from pare.method import methods
from pare.method.curriculum import patches, share
from pare.method.objective import Criterion, Mixing
from pare.training import optim
from pare.training.distributed import DistributedContext
from pare.training.evaluate import predict
from pare.training.sampling import Order

RATES = (3e-4, 1e-3, 3e-3)
TRIALS = (1000, 1001)
"""Seeds that the rate is chosen on."""
SOURCES, TESTS = 512, 400
"""Source samples, and validation or test samples at most."""


@dataclass(frozen=True)
class Arm:
    """What is compared: a body, the method that fine-tunes it, and the proxy that its source patches come from."""

    body: str
    method: str
    source: str


ARMS: Mapping[str, Mapping[str, Arm]] = {
    "2d": {
        "random, nft": Arm("swin-mini", "scratch", "fractals"),
        "fractals, nft": Arm("swin-mini", "nft", "fractals"),
        "fractals, pare": Arm("swin-mini", "pare", "fractals"),
    },
    "1d": {
        "random, nft": Arm("roberta-mini", "scratch", "signals"),
        "signals, nft": Arm("roberta-mini", "nft", "signals"),
        "signals, pare": Arm("roberta-mini", "pare", "signals"),
        "text, nft": Arm("roberta-mini-text", "nft", "text"),
        "text, pare": Arm("roberta-mini-text", "pare", "text"),
    },
}
"""By modality, and by what the body was pretrained on."""


@dataclass(frozen=True)
class Problem:
    """A small task: interface, samples to train on (drawn anew by each seed), to choose a rate by and to test on."""

    shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    train: Split
    val: Split
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


def read(name, recipe):
    """A task of the package, and a small synthetic set of it."""
    task = tasks.get(name)
    with tempfile.TemporaryDirectory() as folder:
        task.write_synthetic(Path(folder), recipe, quietly)
        return task, task.read(Path(folder), quietly)


def some(split, count):
    """So many samples of a split, at random but always the same."""
    rows = np.sort(np.random.default_rng(0).permutation(len(split))[:count])
    return Split(split.x[rows], split.y[rows], split.group[rows])


def made(name, recipe, steps, **more):
    """A problem of a task of the package."""
    task, raw = read(name, recipe)
    return Problem(
        task.shape,
        task.output_shape,
        raw.train,
        some(raw.val, TESTS),
        some(raw.test, TESTS),
        task.metric,
        steps,
        kind=task.kind,
        criterion=task.criterion,
        statistics=raw.statistics,
        **more,
    )


def table(x, y, shape, steps, **more):
    """A problem of ten samples per class from arrays: half to draw from, a quarter each to validate and to test on."""
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype(np.float32).reshape(-1, *shape), y[order].astype(np.int64)
    edges = 0, len(x) // 2, len(x) * 3 // 4, len(x)
    train, val, test = (Split(x[a:b], y[a:b], np.arange(a, b)) for a, b in pairwise(edges))
    return Problem(
        shape, (int(y.max()) + 1,), train, some(val, TESTS), some(test, TESTS), ACCURACY, steps, shots=10, **more
    )


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


@cache
def source(name):
    """A source proxy, samples of it as its body reads them, and their statistics."""
    sizes = {"modules": 60} if name == "text" else {"samples": 2 * SOURCES}
    proxy, raw = read(name, {**tasks.get(name).recipes["laptop"], **sizes})
    part = some(raw.train, SOURCES)
    return proxy, proxy.assemble(part.x), part.y, raw.statistics


def drawn(problem, seed):
    """The training rows of a seed."""
    if problem.shots is None:
        return np.arange(len(problem.train))
    rng = np.random.default_rng(seed)
    each = [np.flatnonzero(problem.train.y == c) for c in range(problem.output_shape[0])]
    return np.concatenate([rng.choice(rows, problem.shots, replace=False) for rows in each])


def score(problem, arm, rate, seed, split):
    """Metric on a split, and seconds, of one run."""
    began = time.perf_counter()
    proxy, source_x, source_y, source_statistics = source(arm.source)
    image = len(problem.shape) == 3
    rates = {f"optimizer.lr.{group}": rate for group in ("embedder", "body", "gate", "heads")}
    run = Run(task="t", data="", source=arm.source, source_data="", body=arm.body).replace(
        {
            **rates,
            "method": arm.method,
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
    order = Order(seed=seed, samples=len(rows), sources=len(source_x), batch=run.optimizer.batch)
    tokens = (objective.model.tokens, objective.model.body.source_tokens(proxy.spatial_shape))
    world, step, epoch = DistributedContext.current(), 0, 0
    while step < problem.steps:
        for (part,) in order.epoch(epoch):
            if step == problem.steps:
                break
            mixing = None
            if arm.method == "pare":
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
    predictions = predict(objective.model, problem, split.x, world)
    return problem.metric.compute(predictions, split.y), time.perf_counter() - began


def searched(problem, arm, seeds):
    """The rate that an arm does best with on validation samples, then its test metric over seeds, and seconds a run."""

    def mean(rate):
        return stats.mean(score(problem, arm, rate, seed, problem.val)[0] for seed in TRIALS)

    best = (min if problem.metric.direction == "minimize" else max)(RATES, key=mean)
    values, spent = zip(*(score(problem, arm, best, seed, problem.test) for seed in range(seeds)), strict=True)
    spread = stats.stdev(values) if seeds > 1 else 0.0
    return f"{stats.mean(values):.4g} ± {spread:.2g}", best, stats.mean(spent)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    above = None
    for name in arguments.tasks:
        problem = PROBLEMS[name]()
        arms = ARMS["2d" if len(problem.shape) == 3 else "1d"]
        if arms is not above:
            print(f"\n| task | {' | '.join(arms)} | rates | s a run |\n| :-- |{' --: |' * (len(arms) + 2)}", flush=True)
            above = arms
        cells, rates, seconds = zip(*(searched(problem, arm, arguments.seeds) for arm in arms.values()), strict=True)
        rates, seconds = " / ".join(f"{rate:g}" for rate in rates), " / ".join(f"{spent:.0f}" for spent in seconds)
        metric = f"{problem.metric.name}{f' ({problem.metric.unit})' if problem.metric.unit else ''}"
        better = {"minimize": "lower", "maximize": "higher"}[problem.metric.direction]
        size = len(drawn(problem, 0))
        label = f"{name}, {size} training samples: {metric}, {better} is better"
        print(f"| {label} | {' | '.join(cells)} | {rates} | {seconds} |", flush=True)


if __name__ == "__main__":
    main()
