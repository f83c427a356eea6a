"""Trials of two workers each under ASHA on two CPUs, as tight as it gets: `python -m tests.faults.groups --trials 12`.

Every group must have given back all that it held before the next one fits. At the end: seconds a trial, and what of the
cluster is not free again.
"""

import argparse
import tempfile
import time
from pathlib import Path
from unittest import mock

import ray

from pare import tasks
from pare.reporting import best_model, read
from pare.search import command
from sweeps import nas360
from tests.conftest import RECIPES, quietly
from tests.faults.session import running


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "data", Path(folder) / "out"
        (root / "ecg" / "raw").mkdir(parents=True)
        tasks.get("ecg").write_synthetic(root / "ecg" / "raw", RECIPES["ecg"], quietly)
        began = time.monotonic()
        taken = sweep(root, out, options.trials)
        took = time.monotonic() - began
        study = read(out)
        print(f"{took / (len(study.trials) + len(study.confirm)):.0f} s a run, {took:.0f} s in all")
        print(f"states: {study.trials.state.value_counts().to_dict()}; RUNNING: {len(running(out))}")
        print(f"placement groups left: {taken[0]}; CPUs not free: {taken[1]:g}")


def sweep(root, out, trials):
    """Run it; returns how many placement groups and CPUs are taken once its last run has ended."""
    taken = []

    def look(*_):
        groups = [group for group in ray.util.placement_group_table().values() if group["state"] != "REMOVED"]
        taken.append((len(groups), ray.cluster_resources()["CPU"] - ray.available_resources().get("CPU", 0.0)))

    small = ["--tasks", "ecg", "--preset", "laptop", "--epochs", "3", "--seeds", "1", "--scheduler", "asha"]
    more = ["--trials", str(trials), "--workers-per-trial", "2", "--data-root", str(root), "--out", str(out)]
    with mock.patch.object(best_model, "keep_best", look):
        assert command.main("nas360", "", nas360.PRESETS, [*small, *more]) == 0
    return taken[0]


if __name__ == "__main__":
    main()
