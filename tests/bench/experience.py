"""What recorded runs teach the search: `python -m tests.bench.experience [--write]`.

Fits the model of `pare/search/study/experience.py` to the curves that `tests.bench.record` left: by ridge regression,
a setting's value to the rank of its configuration (0 the best, 1 the worst) among those of its problem and method, by
the test metric in the mean over the seeds. Printed is how well it ranks the configurations of each problem when it is
fitted to the other problems alone (Spearman's correlation), which is also how `tests.bench.search` lets the package's
search use it. `--write` writes the model of all problems where the package reads it.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata, spearmanr
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from pare.errors import DataError
from pare.files import write_text
from pare.search.study import experience, space
from pare.search.study.experience import Experience, Weights
from pare.search.study.space import Space
from tests.bench import record
from tests.bench.problems import PROBLEMS

FILE = Path(experience.__file__).with_suffix(".json")
METHODS = ("pare", "nft")
"""Methods whose curves are recorded."""


def recordings(leave_out: str = "", methods: Iterable[str] = METHODS) -> list[record.Recording]:
    """The recordings of all problems but one."""
    return [record.load(record.path_of(name, each)) for each in methods for name in PROBLEMS if name != leave_out]


def points(recording: record.Recording) -> tuple[list[dict[str, float]], np.ndarray]:
    """The features of a recording's configurations, named `setting/feature`, and their ranks (n,)."""
    tests: dict[int, list[float]] = {}
    searched: dict[int, Mapping[str, Any]] = {}
    for row in recording.rows:
        if not row["why"]:
            tests.setdefault(row["number"], []).append(row["test"])
            searched[row["number"]] = row["searched"]
    numbers = [number for number, found in tests.items() if len(found) == len(record.SEEDS)]
    dimensions = space.for_run(recording.base, recording.facts["modality"]).dimensions
    found = [
        {
            f"{each.name}/{name}": number
            for each in dimensions
            for name, number in experience.features(each.values, searched[n].get(each.name)).items()
        }
        for n in numbers
    ]
    return found, rankdata([np.mean(tests[number]) for number in numbers]) / len(numbers)


def fit(of: Iterable[record.Recording]) -> Mapping[str, Weights]:
    """The weights of every setting's features."""
    rows: list[dict[str, float]] = []
    ranks: list[float] = []
    for recording in of:
        found, theirs = points(recording)
        rows += found
        ranks += theirs.tolist()
    vectors, scaler = DictVectorizer(sparse=False), StandardScaler()
    x = scaler.fit_transform(vectors.fit_transform(rows))
    slopes = RidgeCV(np.logspace(-1, 4, 11)).fit(x, ranks).coef_ / scaler.scale_
    weights: dict[str, dict[str, float]] = {}
    for key, slope in zip(vectors.feature_names_, slopes, strict=True):
        setting, _, feature = key.rpartition("/")
        weights.setdefault(setting, {})[feature] = round(float(slope), 4)
    return weights


def taught(of: Space, weights: Mapping[str, Weights]) -> Space:
    """A space with this experience in place of the package's."""
    return of.taught(lambda name, domain: Experience(domain, weights[name]) if name in weights else None)


def correlation(weights: Mapping[str, Weights], recording: record.Recording) -> float:
    """How well the weights rank a recording's configurations."""
    found, ranks = points(recording)
    flat = {f"{setting}/{name}": slope for setting, its in weights.items() for name, slope in its.items()}
    expected = [sum(flat.get(key, 0.0) * number for key, number in point.items()) for point in found]
    return float(spearmanr(expected, ranks).statistic)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name} for the package")
    arguments = parser.parse_args()
    table = Table(title="rank correlation on a problem's configurations, fitted to the other problems")
    for column in ("problem", *METHODS):
        table.add_column(column, justify="left" if column == "problem" else "right")
    try:
        for name in PROBLEMS:
            weights = fit(recordings(leave_out=name))
            own = [correlation(weights, record.load(record.path_of(name, method))) for method in METHODS]
            table.add_row(name, *(f"{value:.2f}" for value in own))
        model = {"made by": "python -m tests.bench.experience --write", "weights": fit(recordings())}
    except DataError as error:
        sys.exit(str(error))
    Console().print(table)
    if arguments.write:
        write_text(FILE, json.dumps(model, indent=1) + "\n")


if __name__ == "__main__":
    main()
