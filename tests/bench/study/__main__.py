"""Arms of the method against each other on fresh seeds, by the project's own training loop.

    python -m tests.bench.study run --out results.jsonl --cpu 2 --stage ecg/nft,half-random/100-102
    python -m tests.bench.study table results.jsonl --figure study.png

`run` takes stages one after another, `tasks/arms/seeds` each, and appends a line per run to --out as it ends: the same
command goes on where an earlier one was cut. --cpu and --gpu say how many processes train at once on cores and on the
card; --seconds ends it. Arms are in arms.py, tasks in data.py. Each arm meets every other on the same seeds: training
samples, their order, and initial weights. An arm with equal time trains as many more epochs as the reference arm takes
longer, measured in this study on the same kind of device. `table` prints the paired differences with 95 % intervals.
`pack` makes the small file that a task of the UCR archive needs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pare import tasks
from tests.bench.study import data, figures, table
from tests.bench.study.arms import ARMS, REFERENCE, applies
from tests.bench.study.worker import Job, work

Line = dict[str, Any]

_DIED = "the process died"

_TIMED_ON = "cpu"
"""Kind of device whose seconds decide how many epochs equal time buys."""


def parse_stage(text: str) -> list[Job]:
    """`tasks/arms/seeds` → jobs, seed by seed, so that a study that is cut has every arm of the seeds it has."""
    try:
        names, arms, seeds = text.split("/")
        first, _, last = seeds.partition("-")
        numbers = range(int(first), int(last or first) + 1)
    except ValueError:
        raise SystemExit(
            f"--stage is {text!r}: write tasks/arms/first-last, as in ecg,digits/nft,pare/100-109"
        ) from None
    bare = [name.partition("@")[0] for name in names.split(",")]
    for name, known in [*((n, data.SETTINGS) for n in bare), *((a, ARMS) for a in arms.split(","))]:
        if name not in known:
            raise SystemExit(f"--stage names {name!r}: choose from {', '.join(known)}")
    return [
        Job(name, arm, seed)
        for seed in numbers
        for name in names.split(",")
        for arm in arms.split(",")
        if applies(arm, tasks.get(data.SETTINGS[data.budget(name)[0]].source).modality)
    ]


def equal_time_epochs(task: str, lines: Sequence[Line]) -> int:
    """Epochs of `nft` that take as long as the reference arm's; twice its own before any was timed.

    Counted are seconds of a core, which other work on the machine does not change; on a card, the run's own seconds.
    """
    own = int(data.settings(task)["epochs"])
    timed = [line for line in lines if line["task"] == task and line["epochs"] == own]
    for name in ("cpu_seconds", "seconds"):
        spent = {
            arm: [line[name] for line in timed if line["arm"] == arm and line["device"] == _TIMED_ON and name in line]
            for arm in ("nft", REFERENCE)
        }
        if all(spent.values()):
            return max(own, round(own * statistics.median(spent[REFERENCE]) / statistics.median(spent["nft"])))
    return 2 * own


def read(path: Path) -> list[Line]:
    """The lines of a study; a last one that was cut short is left out."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines


class Fleet:
    """The processes of a study: each takes a job, answers, and takes the next."""

    def __init__(self, devices: Sequence[str], root: Path) -> None:
        self._root = root
        self._of: dict[Connection, BaseProcess] = {}
        self._device: dict[Connection, str] = {}
        for device in devices:
            self._start(device)

    def _start(self, device: str) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        visible = os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        # A process sees what it is started with, whatever its libraries ask before it can say otherwise.
        if device == "cpu" or visible is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = "" if device == "cpu" else str(visible)
        process = context.Process(target=work, args=(theirs, self._root, tasks.definitions()), daemon=True)
        process.start()
        theirs.close()
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        if visible is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = visible
        self._of[ours], self._device[ours] = process, device
        return ours

    def run(self, jobs: deque[Job], until: float, lines: Sequence[Line]) -> Iterator[tuple[Job, Line]]:
        """Give out jobs until none is left or time is over; yields each with its answer."""
        busy: dict[Connection, Job] = {}
        idle = deque(self._of)
        retried: set[Job] = set()
        while (jobs and time.time() < until) or busy:
            while idle and jobs and time.time() < until:
                job = jobs.popleft()
                if ARMS[job.arm].equal_time and not job.epochs:
                    job = Job(job.task, job.arm, job.seed, equal_time_epochs(job.task, lines))
                busy[idle[0]] = job
                idle.popleft().send(job)
            ready = wait(list(busy), timeout=min(60.0, max(0.1, until - time.time())))
            if not ready and time.time() >= until:
                return
            for connection in ready:
                assert isinstance(connection, Connection)
                job = busy.pop(connection)
                try:
                    answer = connection.recv()
                except EOFError:
                    answer = {"error": _DIED}
                if "error" in answer:
                    answer["device"] = self._device[connection]
                    if answer["device"] != "cpu" or answer["error"] == _DIED:
                        # A card that fails leaves the work to the cores.
                        self._of.pop(connection).terminate()
                        connection = self._start("cpu")
                    if answer["device"] != "cpu" or job not in retried:
                        retried.add(job)
                        jobs.append(job)
                idle.append(connection)
                yield job, answer

    def close(self) -> None:
        for connection, process in self._of.items():
            connection.close()
            process.terminate()


def run(options: argparse.Namespace) -> None:
    began = time.time()
    jobs = [replace(job, epochs=options.epochs) for stage in options.stage for job in parse_stage(stage)]
    lines = read(options.out)
    done = {(line["task"], line["arm"], line["seed"]) for line in lines if "error" not in line}
    left = deque(dict.fromkeys(job for job in jobs if (job.task, job.arm, job.seed) not in done))
    print(f"{len(left)} of {len(jobs)} runs are left", flush=True)
    options.root.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(job.task for job in left):
        data.prepare(name, options.root, options.files)
        print(f"{name} is ready after {time.time() - began:.0f} s", flush=True)
    fleet = Fleet(["cuda"] * options.gpu + ["cpu"] * options.cpu, options.root)
    try:
        with options.out.open("a", encoding="utf-8") as file:
            for job, answer in fleet.run(left, began + options.seconds, lines):
                line = {**asdict(job), **answer}
                lines.append(line)
                file.write(json.dumps(line) + "\n")
                file.flush()
                shown = answer.get("error") or f"{answer['test']:.4f} in {answer['wall']:.1f} s on {answer['device']}"
                print(f"{time.time() - began:4.0f} s  {job.task} {job.arm} {job.seed}: {shown}", flush=True)
    finally:
        fleet.close()
    print(f"{len(left)} runs not begun after {time.time() - began:.0f} s", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="train what is left, appending a line per run")
    running.add_argument("--out", type=Path, required=True, help="file of JSON lines")
    running.add_argument("--stage", action="append", required=True, help="tasks/arms/first-last; may come again")
    running.add_argument("--cpu", type=int, default=2, help="processes of one core each (2)")
    running.add_argument("--gpu", type=int, default=0, help="processes that share the GPU (0)")
    running.add_argument("--seconds", type=float, default=1e9, help="when to end, data preparation included")
    running.add_argument("--epochs", type=int, default=0, help="of every run, to try the study out (the task's own)")
    running.add_argument("--root", type=Path, default=Path("/tmp/pare-study"), help="where data is prepared")
    running.add_argument("--files", type=Path, help="folder of the packed UCR sets")
    showing = commands.add_parser("table", help="paired differences of every arm, with 95 %% intervals")
    showing.add_argument("results", type=Path)
    showing.add_argument("--figure", type=Path, help="PNG or SVG of the differences to nft")
    showing.add_argument("--map", type=Path, help="PNG or SVG of differences against the number of labels")
    packing = commands.add_parser("pack", help="a UCR set as a small .npz")
    packing.add_argument("archive", type=Path, help="folder that holds <Name>/<Name>_TRAIN.tsv")
    packing.add_argument("name")
    packing.add_argument("out", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "run":
        run(options)
    elif options.command == "pack":
        data.pack(options.archive, options.name, options.out)
    else:
        print(table.markdown(read(options.results)))
        if options.figure:
            figures.arms(read(options.results), options.figure)
        if options.map:
            figures.label_map(read(options.results), options.map)


if __name__ == "__main__":
    main(sys.argv[1:])
