"""SIGKILL for the driver at random moments, then the same command: `python -m tests.faults.kill --runs 20 --seed 0`.

Every sweep is killed again and again until it ends before its turn comes; then another begins. One slot, so that each
must end as the one that nobody disturbs: the same trials, configurations and figures. To the last bit, which holds with
one thread a run (tests/conftest.py sets OMP_NUM_THREADS); of several, MKL may add up in another order each time. A row
per kill tells what the sweep was at, which epochs this session trained although an earlier one had kept them, and what
was left of it.

A moment is counted in epochs and not by the clock alone, so that a busy machine does not put all into the start.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from pare import tasks
from pare.reporting import read
from tests.conftest import quietly
from tests.faults.session import Session, checkpoints, frozen, running

RECIPE = {"records": 40, "seconds": 6.0, "seed": 18}
TURNS = ["--share", "trials"]
"""Seconds differ from run to run, and with them the methods of trials."""

OPTIONS = ["--tasks", "ecg", "--trials", "4", "--epochs", "3", "--seeds", "1", "--preset", "laptop", *TURNS]
EPOCHS = 4
"""A session is killed while it trains one of its first epochs, at most so many, or still starts."""

WIDTHS = (6, 8, 24, 6, 8, 10, 8, 6, 10)
HEAD = ("sweep", "after s", "at", "trials", "RUNNING", "duplicates", "repeated", "gone s", "processes left")


class Watch:
    """Follows the checkpoints of a sweep: a new one is an epoch trained, one written again an epoch repeated."""

    def __init__(self, out):
        self._out, self._seen = out, {}
        self.trained = self.repeated = 0

    def look(self):
        for key, written in checkpoints(self._out).items():
            self.trained += self._seen.get(key) != written
            self.repeated += self._seen.get(key, written) != written
            self._seen[key] = written


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        (root / "ecg" / "raw").mkdir(parents=True)
        tasks.get("ecg").write_synthetic(root / "ecg" / "raw", RECIPE, quietly)
        wrong = torture(Path(folder), root, options.runs, random.Random(options.seed))
        print("\n".join(wrong or ["every sweep ended as the undisturbed one did"]))
    return 1 if wrong else 0


def torture(folder, root, runs, chance, options=OPTIONS):
    """Kill so many times; returns what went wrong."""
    arguments = [*options, "--max-concurrent", "1", "--data-root", root]
    began = time.monotonic()
    with Session(folder / "undisturbed", *arguments) as session:
        assert session.end(1800)[0] == 0
    print(f"undisturbed: {time.monotonic() - began:.0f} s", flush=True)
    row(*HEAD)
    wrong, sweep = [], 0
    while runs:
        sweep += 1
        killed = kill_until_it_ends(sweep, folder / str(sweep), arguments, runs, chance)
        runs -= killed
        if killed:
            wrong += [f"sweep {sweep}: {what}" for what in compare(folder / "undisturbed", folder / str(sweep))]
    return wrong


def kill_until_it_ends(sweep, out, arguments, most, chance):
    """Tells of each kill; returns how many it took."""
    watch = Watch(out)
    for kills in range(most + 1):
        epochs, wait = chance.randint(0, EPOCHS), chance.uniform(0, 5)
        if epochs == 0:
            wait *= 4  # the start takes longer than an epoch
        watch.trained = watch.repeated = 0
        began, reached = time.monotonic(), None
        with Session(out, *arguments) as session:
            while not session.over and (kills == most or reached is None or time.monotonic() - reached < wait):
                watch.look()
                if reached is None and watch.trained >= epochs:
                    reached = time.monotonic()
                time.sleep(0.02)
            if session.over:
                code, _, errors = session.end()
                assert (code, errors) == (0, ""), (code, errors)
                break
            after, (left, took) = time.monotonic() - began, session.kill()
        watch.look()
        tell(sweep, f"{after:.1f}", at(out), out, watch.repeated, f"{took:.1f}", len(left), *left)
    tell(sweep, "end", "", out, watch.repeated)
    return kills


def tell(sweep, after, doing, out, *more):
    numbers = [trial.number for trial in frozen(out)]
    row(sweep, after, doing, len(numbers), len(running(out)), len(numbers) - len(set(numbers)), *more)


def at(out):
    """Return what a killed sweep was doing."""
    under_way = max(((written, *key) for key, written in checkpoints(out).items()), default=None)
    if under_way:
        return f"{under_way[1]}, epoch {under_way[2] + 1}"
    return "a first epoch" if frozen(out) else "start"


def compare(undisturbed, killed):
    """List the differences between a sweep that was killed and one that was not."""
    one, two = read(undisturbed), read(killed)
    wrong = [f"trials {numbers} are RUNNING" for numbers in [running(killed)] if numbers]
    if [(t.state, t.params) for t in frozen(undisturbed)] != [(t.state, t.params) for t in frozen(killed)]:
        wrong.append("its study holds other trials")
    for name in ("trials", "curves", "confirm", "published", "race"):
        a, b = (figures(getattr(study, name)) for study in (one, two))
        if not a.equals(b):
            where = [c for c in a if c not in b or len(a) != len(b) or not a[c].equals(b[c])]
            wrong.append(f"{name} differ in {', '.join(where)} ({len(a)} and {len(b)} rows)")
    return wrong


def figures(table):
    """A table without what the clock says, in one order."""
    clocks = ("seconds", "gpu_hours", "started", "ended", "samples_per_second", "memory")
    order = [c for c in ("trial", "epoch") if c in table]
    if "epoch" in table:
        # A winner's run goes on from the last checkpoint of its race; the clock decides at which epoch that was.
        goes_on = table.purpose.isin(["confirm", "published"])
        table = table[~goes_on | (table.epoch == table.groupby("trial").epoch.transform("max"))]
    return table.drop(columns=[c for c in clocks if c in table]).sort_values(order, ignore_index=True)


def row(*cells):
    print("  ".join(str(cell).ljust(width) for cell, width in zip(cells, WIDTHS, strict=False)), *cells[9:], flush=True)


if __name__ == "__main__":
    sys.exit(main())
