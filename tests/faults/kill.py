"""SIGKILL for the driver at random moments, then the same command: `python -m tests.faults.kill --runs 20 --seed 0`.

Every sweep is killed again and again, until it gets to its end before its turn comes; then another begins. One slot, so
that each must end as the one that nobody disturbs: the same trials, configurations and figures. A row per kill tells
what the sweep was at, what it left, and what the next sitting did twice.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

from pare import tasks
from pare.reporting import read
from tests.conftest import quietly
from tests.faults.sitting import Sitting, checkpoints, frozen, running

RECIPE = {"records": 40, "seconds": 6.0, "seed": 18}
OPTIONS = ["--tasks", "ecg", "--trials", "4", "--epochs", "3", "--seeds", "1", "--preset", "laptop"]
SPAN = 0.6
"""A kill comes within this share of what the undisturbed sweep takes."""

WIDTHS = (6, 8, 24, 6, 8, 10, 8, 6, 10)
HEAD = ("sweep", "after s", "at", "trials", "RUNNING", "duplicates", "repeated", "gone s", "processes left")


class Watch:
    """Follows the checkpoints of a sweep: one that is written again is an epoch that was trained again."""

    def __init__(self, out):
        self._out, self._seen, self.again = out, {}, 0

    def look(self):
        for key, written in checkpoints(self._out).items():
            self.again += self._seen.get(key, written) != written
            self._seen[key] = written
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        (root / "ecg" / "raw").mkdir(parents=True)
        tasks.get("ecg").synthesise(root / "ecg" / "raw", RECIPE, quietly)
        print("\n".join(torture(Path(folder), root, options.runs, random.Random(options.seed))))


def torture(folder, root, runs, chance):
    """Kill so many times; returns what went wrong."""
    arguments = [*OPTIONS, "--max-concurrent", "1", "--data-root", root]
    began = time.monotonic()
    with Sitting(folder / "undisturbed", *arguments) as sitting:
        assert sitting.end(1800)[0] == 0
    span = time.monotonic() - began
    print(f"undisturbed: {span:.0f} s; a kill comes within {SPAN * span:.0f} s", flush=True)
    row(*HEAD)
    wrong, sweep = [], 0
    while runs:
        sweep += 1
        killed = kill_until_it_ends(sweep, folder / str(sweep), arguments, runs, chance, SPAN * span)
        runs -= killed
        if killed:
            wrong += [f"sweep {sweep}: {what}" for what in compare(folder / "undisturbed", folder / str(sweep))]
    return wrong or ["every sweep ended as the undisturbed one did"]


def kill_until_it_ends(sweep, out, arguments, most, chance, span):
    """Returns how many kills it took, and tells of each."""
    watch, kills, again = Watch(out), [], []
    while True:
        wait = chance.uniform(0, span) if len(kills) < most else 1e9
        began = time.monotonic()
        with Sitting(out, *arguments) as sitting:
            while not sitting.over and time.monotonic() - began < wait:
                watch.look()
                time.sleep(0.05)
            if kills:
                again.append(watch.again)
                watch.again = 0
            if sitting.over:
                code, said, errors = sitting.end()
                assert (code, errors) == (0, ""), (code, errors)
                break
            left = sitting.kill()
        watch.look()
        numbers = [trial.number for trial in frozen(out)]
        twice = len(numbers) - len(set(numbers))
        kills.append((wait, at(out), len(numbers), running(out), twice, sitting.outlived, left))
    for (wait, doing, trials, alive, twice, outlived, left), repeated in zip(kills, again, strict=True):
        row(sweep, f"{wait:.1f}", doing, trials, len(alive), twice, repeated, f"{outlived:.1f}", len(left), *left)
    numbers = [trial.number for trial in frozen(out)]
    row(sweep, "end", "", len(numbers), len(running(out)), len(numbers) - len(set(numbers)))
    return len(kills)


def at(out):
    """What a killed sweep was at."""
    under_way = max(((written, *key) for key, written in checkpoints(out).items()), default=None)
    if under_way:
        return f"{under_way[1]}, epoch {under_way[2] + 1}"
    return "a first epoch" if frozen(out) else "start"


def compare(undisturbed, killed):
    """What is other in a sweep that was killed than in one that was not."""
    one, two = read(undisturbed), read(killed)
    wrong = [f"trials {numbers} are RUNNING" for numbers in [running(killed)] if numbers]
    if [(t.state, t.params) for t in frozen(undisturbed)] != [(t.state, t.params) for t in frozen(killed)]:
        wrong.append("its study holds other trials")
    for name in ("trials", "curves", "confirm", "published"):
        a, b = (figures(getattr(study, name)) for study in (one, two))
        if not a.equals(b):
            where = [c for c in a if c not in b or len(a) != len(b) or not a[c].equals(b[c])]
            wrong.append(f"{name} differ in {', '.join(where)} ({len(a)} and {len(b)} rows)")
    return wrong


def figures(table):
    """A table without what the clock says, in one order."""
    clocks = ("seconds", "gpu_hours", "started", "ended", "samples_per_second", "memory")
    order = [c for c in ("trial", "epoch") if c in table]
    return table.drop(columns=[c for c in clocks if c in table]).sort_values(order, ignore_index=True)


def row(*cells):
    print("  ".join(str(cell).ljust(width) for cell, width in zip(cells, WIDTHS, strict=False)), *cells[9:], flush=True)


if __name__ == "__main__":
    main()
