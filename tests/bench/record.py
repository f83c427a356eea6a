"""Record learning curves for the search to be judged by: `python -m tests.bench.record [--configurations N]`.

Trains configurations of each task's search space to their last epoch, one after another, nothing cut short: first the
published one under a few seeds, then in turn one drawn uniformly from the space and one drawn near the published one.
Every draw has a seed of its own, so that the same command goes on where the last one ended. A task's table lies in
`tests/bench/curves/<task>.parquet`, a row per configuration; where it came from is in the file's metadata.
"""

import argparse
import json
import platform
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import optuna
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pare import tasks
from pare.config import Run
from pare.data import store
from pare.errors import DataError, TrainingError
from pare.reporting.tables import write
from pare.search.study import space
from pare.tasks.nas360.ecg import task as ecg
from pare.training.loop import train
from tests.conftest import quietly

CURVES = Path(__file__).parent / "curves"
METHOD = "pare"
REPLICATES = 3
"""Runs of the published configuration, under as many seeds: how much of a difference is chance."""

RECIPES = {
    "ecg": {"records": 460, "seconds": 9.0, "seed": 18},
    "darcy": {"train": 80, "test": 20, "resolution": 169, "seed": 0},
}
BATCHES = {"ecg": 16, "darcy": 7}
"""Less than the laptop's data, in smaller batches: about as many updates at a fraction of the cost."""

SPARSER = 4
"""ECG windows are so many times as far apart: fewer of them, from as many records."""

COLUMNS = pa.schema(
    [
        ("number", pa.int32()),
        ("drawn", pa.string()),
        ("seed", pa.int32()),
        ("searched", pa.string()),  # JSON: searched values by name
        ("val_metric", pa.list_(pa.float64())),  # by epoch
        ("objective", pa.list_(pa.float64())),  # by epoch: the best so far
        ("seconds", pa.float64()),
        ("why", pa.string()),  # of a run that diverged
    ]
)


class Recording(NamedTuple):
    """The curves of a task, and the run around which their configurations were drawn."""

    base: Run
    rows: list[dict[str, Any]]
    facts: dict[str, Any]


def path_of(task):
    return CURVES / f"{task}.parquet"


def load(path):
    """The recording in a file.

    Raises:
        DataError: there is none, or it is damaged.
    """
    try:
        table = pq.read_table(path)
        facts = json.loads(table.schema.metadata[b"facts"])
        rows = [row | {"searched": json.loads(row["searched"])} for row in table.to_pylist()]
        return Recording(Run.from_flat(facts["base"]), rows, facts)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DataError(f"no curves in {path} ({error!r}): python -m tests.bench.record makes them") from error


def save(path, recording):
    rows = [row | {"searched": json.dumps(row["searched"])} for row in recording.rows]
    write(rows, COLUMNS.with_metadata({"facts": json.dumps(recording.facts)}), path)


def draw(of, base, number):
    """How configuration `number` is drawn from a space around `base`, its searched values, and the seed of its run."""
    published = of.published(base, METHOD)
    if number < REPLICATES:
        return "published", published, base.seed + number
    if number % 2:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=number))
        trial = study.ask()
        of.suggest(trial, METHOD)
        return "uniform", dict(trial.params), base.seed
    return "near", of.near(published, METHOD, np.random.default_rng(number)), base.seed


def base_of(task, root, progress):
    """The published configuration of a task on its laptop data, prepared below `root`."""
    settings = {**task.paper, **task.laptop}
    if task.name in RECIPES:
        task.recipes = {"laptop": RECIPES[task.name]}
        settings["optimizer.batch"] = BATCHES[task.name]
    with mock.patch.object(ecg, "STRIDES", tuple(SPARSER * stride for stride in ecg.STRIDES)):
        key, source_key = (
            store.prepare(tasks.get(name), root, "laptop", progress).key for name in (task.name, settings["source"])
        )
    return Run(
        task=task.name, data=key, body=settings["body"], source=settings["source"], source_data=source_key
    ).replace(settings)


def row_of(of, base, root, number):
    """Train a configuration to its end."""
    drawn, searched, seed = draw(of, base, number)
    run = base.replace({**space.to_run(searched), "method": METHOD, "seed": seed})
    heard, why = [], ""

    def report(figures):
        heard.append(figures)
        return True

    with tempfile.TemporaryDirectory() as folder:
        try:
            train(run, root, Path(folder), report)
        except TrainingError as error:
            why = str(error)
    return {
        "number": number,
        "drawn": drawn,
        "seed": seed,
        "searched": searched,
        "val_metric": [figures["val_metric"] for figures in heard],
        "objective": [figures["objective"] for figures in heard],
        "seconds": heard[-1]["seconds"] if heard else 0.0,
        "why": why,
    }


def facts_of(base, root):
    return {
        "base": base.flat(),
        "provenance": store.load(root, base.data).provenance,
        "recipe": tasks.get(base.task).recipes["laptop"],
        "windows": f"those of ecg {SPARSER} times as far apart as the task's",
        "draws": f"{REPLICATES} seeds of the published configuration, then uniform and near it in turn; seed = number",
        "machine": f"{platform.system()} {platform.machine()}, one thread",
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in ("pare-sweep", "torch", "transformers", "optuna")},
    }


def main():
    try:
        _main()
    except DataError as error:
        sys.exit(str(error))


def _main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=["ecg", "darcy"])
    parser.add_argument("--configurations", type=int, default=64, help="of each task, in all")
    parser.add_argument("--data-root", type=Path, help="prepared data; default: a temporary folder")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.data_root or Path(temporary)
        bases, rows = {}, {}
        for name in arguments.tasks:
            bases[name] = base_of(tasks.get(name), root, quietly)
            earlier = load(path_of(name)) if path_of(name).exists() else Recording(bases[name], [], {})
            if earlier.base != bases[name]:
                raise DataError(f"{path_of(name)} was recorded around another configuration: remove it")
            rows[name] = earlier.rows
        # Tasks take turns, so that they have equally many when this is interrupted.
        for number in range(arguments.configurations):
            for name, base in bases.items():
                if any(row["number"] == number for row in rows[name]):
                    continue
                row = row_of(space.for_run(base, tasks.get(name).modality), base, root, number)
                rows[name].append(row)
                save(path_of(name), Recording(base, rows[name], facts_of(base, root)))
                score = row["objective"][-1] if row["objective"] else float("nan")
                print(f"{name} {number} {row['drawn']}: {score:.4g} {row['why']} in {row['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
