"""Record learning curves for the search to be judged by: `python -m tests.bench.record [--files DIR]`.

Trains configurations of each problem's search space (`tests.bench.problems`) to their last epoch, nothing cut short,
each under two seeds: first the priors of a sweep, then in turn one drawn uniformly from the space and one drawn near a
prior. Every draw has a seed of its own, so that the same command goes on where the last one ended; problems take
turns, so that all have equally many whenever it ends. A problem's table lies in `tests/bench/curves/<problem>.parquet`,
a row per run; where it came from is in the file's metadata. Those of `--method nft` lie in `curves/nft`. `--files`
has the real data and the real body:
`ucr/<Name>/<Name>_TRAIN.tsv` and `_TEST.tsv`, `bodies/all-MiniLM-L6-v2`.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import optuna
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pare.config import Run
from pare.errors import DataError, TrainingError
from pare.method.catalogue import METHODS
from pare.reporting.tables import write
from pare.search.study import space
from pare.training import loop
from pare.training.distributed import DistributedContext
from pare.training.evaluate import evaluate, predict
from tests.bench import draws
from tests.bench.problems import PROBLEMS, Ready

CURVES = Path(__file__).parent / "curves"
METHOD = "pare"
SEEDS = (0, 1)

COLUMNS = pa.schema(
    [
        ("number", pa.int32()),
        ("drawn", pa.string()),
        ("seed", pa.int32()),
        ("searched", pa.string()),  # JSON: searched values by name
        ("val_metric", pa.list_(pa.float32())),  # by epoch
        ("val_loss", pa.list_(pa.float32())),  # by epoch
        ("seconds", pa.list_(pa.float32())),  # of this process, from the start to the end of each epoch
        ("test", pa.float64()),  # metric of the epoch that is best by val_metric
        ("why", pa.string()),  # of a run that diverged
    ]
)


class Recording(NamedTuple):
    """The curves of a problem, and the run around which their configurations were drawn."""

    base: Run
    rows: list[dict[str, Any]]
    facts: dict[str, Any]


def path_of(problem, method=METHOD):
    return (CURVES if method == METHOD else CURVES / method) / f"{problem}.parquet"


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


class Watch:
    """Stands in for the loop's `predict` and `evaluate`, and tests the model whenever it is the best by validation."""

    def __init__(self, ready: Ready) -> None:
        self.ready, self.test = ready, float("nan")
        self.best: float | None = None

    def predict(self, model, *rest):
        self.model = model
        return predict(model, *rest)

    def evaluate(self, task, predictions, split):
        loss, metric = evaluate(task, predictions, split)
        if self.best is None or task.metric.better(metric, self.best):
            self.best, held_out = metric, self.ready.data.split("test")
            found = predict(self.model, task, held_out.x, DistributedContext.current())
            self.test = task.score(task.metric, found, held_out)
        return loss, metric


def row_of(ready, of, number, seed, method=METHOD):
    """Train a configuration to its end."""
    drawn, searched = draws.draw(of, ready.base, number, method)
    run = ready.base.replace({**space.to_run(searched), "method": method, "seed": seed})
    watch, why, began = Watch(ready), "", time.process_time()
    curves: dict[str, list[float]] = {"val_metric": [], "val_loss": [], "seconds": []}

    def report(figures: Mapping[str, Any]) -> bool:
        for name in ("val_metric", "val_loss"):
            curves[name].append(figures[name])
        curves["seconds"].append(time.process_time() - began)
        return True

    with (
        tempfile.TemporaryDirectory() as folder,
        ready.at_hand(),
        mock.patch.object(loop, "predict", watch.predict),
        mock.patch.object(loop, "evaluate", watch.evaluate),
    ):
        try:
            loop.fit(run, ready.task, ready.source, ready.data, ready.source_data, Path(folder), report)
        except TrainingError as error:
            why = str(error)
    return {
        "number": number,
        "drawn": drawn,
        "seed": seed,
        "searched": searched,
        **curves,
        "test": watch.test,
        "why": why,
    }


def facts_of(ready):
    return {
        "base": ready.base.flat(),
        "modality": ready.task.modality,
        "kind": ready.task.kind,
        "direction": ready.task.metric.direction,
        "metric": ready.task.metric.name,
        "provenance": ready.provenance,
        "samples": ready.sizes,
        "draws": "the priors of a sweep, then uniform and near a prior in turn; seed of a draw = number",
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
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--method", default=METHOD, choices=list(METHODS))
    parser.add_argument("--configurations", type=int, default=160, help="of each problem, in all")
    parser.add_argument("--files", type=Path, help="real data and bodies")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    readies, rows = [Ready(name, arguments.files) for name in arguments.problems], {}
    for ready in readies:
        path = path_of(ready.name, arguments.method)
        path.parent.mkdir(exist_ok=True)
        earlier = load(path) if path.exists() else Recording(ready.base, [], {})
        if earlier.base != ready.base:
            raise DataError(f"{path} was recorded around another configuration: remove it")
        rows[ready.name] = earlier.rows
    for number in range(arguments.configurations):
        for ready in readies:
            of = space.for_run(ready.base, ready.task.modality)
            known = {(row["number"], row["seed"]) for row in rows[ready.name]}
            for seed in SEEDS:
                if (number, seed) in known:
                    continue
                row = row_of(ready, of, number, seed, arguments.method)
                rows[ready.name].append(row)
                save(path_of(ready.name, arguments.method), Recording(ready.base, rows[ready.name], facts_of(ready)))
                seconds = row["seconds"][-1] if row["seconds"] else 0.0
                print(
                    f"{ready.name} {number} {seed} {row['drawn']}: {row['test']:.4g} {row['why']} {seconds:.1f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
