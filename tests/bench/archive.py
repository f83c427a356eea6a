"""What the baselines of the UCR archive err on its official files: `python -m tests.bench.archive FOLDER SET…`.

FOLDER holds `<Set>/<Set>_TRAIN.tsv` and `_TEST.tsv`. 1-NN and MiniRocket are fitted on the whole official training
file, on normalised series, as a sweep takes them, and on the files' own values. Sets of equal length only.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pare.data.task import Split
from pare.tasks.ucr import baselines, readers
from pare.tasks.ucr.sets import named as set_named
from pare.tasks.ucr.task import named


def main() -> None:
    print("| set | values | 1-NN, error % | published | MiniRocket + ridge |")
    print("|---|---|--:|--:|--:|")
    for title in sys.argv[2:]:
        of, task = set_named(title), named(title)
        (x, y), (test_x, test_y) = readers.read(Path(sys.argv[1]) / of.title, of)
        forms: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "normalised": task.encode,
            "the files'": lambda rows: np.nan_to_num(rows)[:, None].astype(np.float32),
        }
        for form, encoded in forms.items():
            train = Split(encoded(x), y, np.arange(len(x)))
            errors = [
                100 * np.mean(baseline.predict(encoded(test_x)).argmax(axis=1) != test_y)
                for baseline in baselines.fitted(train, None, of.length)
            ]
            print(f"| {of.title} | {form} | {errors[0]:.1f} | {of.error:.1f} | {errors[-1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
