"""Arms of the method against each other on fresh seeds, by the project's own training loop.

    python -m tests.bench.study run --out results.jsonl --cpu 2 --stage ecg/nft,half-random/100-102
    python -m tests.bench.study table results.jsonl --figure study.png
    python -m tests.bench.study search --out reality.jsonl --gpu 8 --bodies DIR --files DIR --tasks ecg5000-minilm@40

`run` takes stages one after another, `tasks/arms/seeds` each, and appends a line per run to --out as it ends: the same
command goes on where an earlier one was cut. --cpu and --gpu say how many processes train at once on cores and on the
card; --seconds ends it. Arms are in arms.py, tasks in settings.py. Each arm meets every other on the same seeds:
training samples, their order, and initial weights. An arm with equal time trains as many more epochs as the reference
arm takes longer, measured in this study on the same kind of device. `table` prints the paired differences with 95 %
intervals. `search` lets each method search for as many seconds as the others and scores what it found on fresh seeds;
`reality` prints what came of that. `pack` makes the small file that a task of the UCR archive needs.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tests.bench.study import data, reality, table
from tests.bench.study.fleet import Fleet
from tests.bench.study.plan import Line, Plan, Searches, Stages, parse_seeds, parse_stage, require
from tests.bench.study.worker import Place

FIRST = 8.0
"""Seconds that data is prepared for before the first runs; the rest is prepared beside them."""

METHODS = "nft,pare,cutmix,scratch,fpt,orca"


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


def run(options: argparse.Namespace, began: float) -> None:
    """Run the stages that are asked for."""
    jobs = [replace(job, epochs=options.epochs) for stage in options.stage for job in parse_stage(stage)]
    lines = read(options.out)
    plan = Stages.of(jobs, lines)
    print(f"{len(plan.jobs)} of {len(jobs)} runs are left", flush=True)
    carry_out(plan, list(dict.fromkeys(job.task for job in plan.jobs)), lines, options, began)
    print(f"{len(plan.jobs)} runs not begun after {time.time() - began:.0f} s", flush=True)


def search(options: argparse.Namespace, began: float) -> None:
    """Run the searches that are asked for."""
    names, methods = options.tasks.split(","), options.methods.split(",")
    require(names, methods)
    if "nft" not in methods:
        raise SystemExit("--methods lacks nft, whose seconds every search gets")
    plan = Searches(names, methods, options.runs, options.search_seed, parse_seeds(options.seeds))
    carry_out(plan, names, read(options.out), options, began)
    print(f"ended after {time.time() - began:.0f} s", flush=True)


def carry_out(plan: Plan, names: Sequence[str], lines: list[Line], options: argparse.Namespace, began: float) -> None:
    """Prepare the tasks, then append a line for each job of the plan as it ends."""
    options.root.mkdir(parents=True, exist_ok=True)
    for name in names:
        data.bring(name, options.root, options.files)
    fleet = Fleet(["cuda"] * options.gpu + ["cpu"] * options.cpu, Place(options.root, options.bodies))
    try:
        # What is not ready when a process comes to it, that process prepares itself.
        ready = threading.Thread(target=_prepare, args=(names, options, began), daemon=True)
        ready.start()
        ready.join(FIRST)
        with options.out.open("a", encoding="utf-8") as file:
            for job, answer in fleet.run(plan, began + options.seconds, lines):
                line = {**asdict(job), **answer}
                lines.append(line)
                file.write(json.dumps(line) + "\n")
                file.flush()
                figure = answer.get("test", answer.get("val", 0.0))
                shown = answer.get("error") or f"{figure:.4f} in {answer['wall']:.1f} s on {answer['device']}"
                trial = f" trial {job.trial}" if not job.final else ""
                print(f"{time.time() - began:4.0f} s  {job.task} {job.arm} {job.seed}{trial}: {shown}", flush=True)
    finally:
        fleet.close()


def _prepare(names: Sequence[str], options: argparse.Namespace, began: float) -> None:
    for name in names:
        data.prepare(name, options.root, options.bodies)
        print(f"{name} is ready after {time.time() - began:.0f} s", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="train what is left, appending a line per run")
    running.add_argument("--stage", action="append", required=True, help="tasks/arms/first-last; may come again")
    running.add_argument("--epochs", type=int, default=0, help="of every run, to try the study out (the task's own)")
    searching = commands.add_parser("search", help="each method's own search, and its winner on fresh seeds")
    searching.add_argument("--tasks", required=True, help="with commas between, one block after another")
    searching.add_argument("--methods", default=METHODS, help=f"with commas between ({METHODS})")
    searching.add_argument("--runs", type=int, default=5, help="runs of nft that a search may take the seconds of (5)")
    searching.add_argument("--search-seed", type=int, default=300, help="of all trials (300)")
    searching.add_argument("--seeds", default="400-404", help="of what is scored (400-404)")
    for command in (running, searching):
        command.add_argument("--out", type=Path, required=True, help="file of JSON lines")
        command.add_argument("--cpu", type=int, default=2, help="processes of one core each (2)")
        command.add_argument("--gpu", type=int, default=0, help="processes that share the GPU (0)")
        command.add_argument("--seconds", type=float, default=1e9, help="when to end, data preparation included")
        command.add_argument("--root", type=Path, default=Path("/tmp/pare-study"), help="where data is prepared")
        command.add_argument("--files", type=Path, help="folder of the packed sets, and of ucr/ as the archive has it")
        command.add_argument("--bodies", type=Path, help="folder of the real bodies' folders")
    showing = commands.add_parser("table", help="paired differences of every arm, with 95 %% intervals")
    showing.add_argument("results", type=Path)
    showing.add_argument("--figure", type=Path, help="PNG or SVG of the differences to nft")
    showing.add_argument("--map", type=Path, help="PNG or SVG of differences against labels; prints them")
    real = commands.add_parser("reality", help="what each method's search found, on fresh seeds")
    real.add_argument("results", type=Path)
    packing = commands.add_parser("pack", help="a UCR set as a small .npz")
    packing.add_argument("archive", type=Path, help="folder that holds <Name>/<Name>_TRAIN.tsv")
    packing.add_argument("name")
    packing.add_argument("out", type=Path)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    began = time.time()
    options = _parser().parse_args(arguments)
    if options.command in ("run", "search"):
        {"run": run, "search": search}[options.command](options, began)
    elif options.command == "pack":
        data.pack(options.archive, options.name, options.out)
    elif options.command == "reality":
        print(reality.markdown(read(options.results)))
    else:
        from tests.bench.study import figures  # needs matplotlib, which a machine that only runs may lack

        print((table.label_map if options.map else table.markdown)(read(options.results)))
        if options.figure:
            figures.arms(read(options.results), options.figure)
        if options.map:
            figures.label_map(read(options.results), options.map)


if __name__ == "__main__":
    main(sys.argv[1:])
