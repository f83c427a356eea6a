"""The command behind every script in `sweeps/`: from options to a leaderboard."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import ray
from rich.console import Console

from pare import bucket, sources, tasks
from pare.config import Run
from pare.data import baselines
from pare.data.provider import DataProvider
from pare.data.store import Prepared
from pare.data.task import Task
from pare.errors import BucketError, ClusterError, RequestError, is_disk_full
from pare.method import methods
from pare.reporting import best_model, leaderboard, schema, tables
from pare.reporting.progress import SweepProgress
from pare.reporting.records import Observer, Purpose
from pare.reporting.tensorboard import TensorBoard
from pare.reporting.tracking import tracker
from pare.search import estimate as planning
from pare.search import tune
from pare.search.budget import OPTIONS, Budget
from pare.search.cluster import connection, prices, workers
from pare.search.output import directory, visibility
from pare.search.output.bucket_sync import BucketSync
from pare.search.page import PageWriter
from pare.search.request import Preset, PresetName, Request, parse
from pare.search.study import space
from pare.search.study.study import Study
from pare.search.sweep import Sweep, TaskPlan

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

_GOES_ON = "interrupted: the same command goes on from here"


def main(
    name: str,
    description: str,
    presets: Mapping[PresetName, Preset],
    arguments: Sequence[str] | None = None,
    kind: type[Request] = Request,
) -> int:
    """Run the sweep that the command line asks for; returns the exit code.

    0: finished. 1: something failed that should not have. 2: the request is wrong or cannot be met, said in one line.
    130: interrupted; the same command goes on.
    """
    try:
        request = parse(name, description, sys.argv[1:] if arguments is None else arguments, kind)
        return 0 if request is None else _sweep(name, request.ready(), presets)
    except KeyboardInterrupt:
        print(_GOES_ON)
        return INTERRUPTED
    except Exception as error:
        if is_disk_full(error):
            where = getattr(error, "filename", None) or "the disk of --out or --data-root"
            print(f"{name}: {where} is full: free some space; the same command goes on from here", file=sys.stderr)
            return 1
        if not isinstance(error, RequestError | ClusterError | BucketError):
            raise
        print(f"{name}: {error}", file=sys.stderr)
        return 2 if isinstance(error, RequestError) else 1
    finally:
        ray.shutdown()


def _sweep(name: str, request: Request, presets: Mapping[PresetName, Preset]) -> int:
    console = Console()
    chosen = [tasks.get(task) for task in request.tasks]
    with _place(name, request, console) as (out, mirror):
        connection.connect(request.address)
        with workers.gathered(request, console) as (slots, places):
            return _run(name, request, presets, chosen, out, mirror, console, slots, places)


@contextmanager
def _place(name: str, request: Request, console: Console) -> Iterator[tuple[Path, BucketSync | None]]:
    """The directory of the sweep, held against others; of one in a bucket the copy here, and what keeps them alike."""

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    given = request.out or f"runs/{name}"
    if bucket.is_url(given):
        remote = bucket.reach(given, "--out")
        out = directory.writable(remote.workspace)
        with directory.lock(out), BucketSync(remote, out, request.fresh, say) as mirror:
            yield out, mirror
    else:
        out = directory.writable(Path(given))
        if request.fresh and (aside := directory.archive_previous(out)):
            say(f"the earlier sweep now lies in {aside}")
        with directory.lock(out):
            yield out, None


def _run(
    name: str,
    request: Request,
    presets: Mapping[PresetName, Preset],
    chosen: list[Task],
    out: Path,
    mirror: BucketSync | None,
    console: Console,
    slots: connection.Slots,
    places: workers.Places | None,
) -> int:
    remote = mirror.remote if mirror else None
    if remote is None and not request.plan:
        visibility.require_shared(out)
    preset_name, why = _preset(request)
    preset = presets[preset_name]
    chosen = chosen or [tasks.get(task) for task in preset.tasks]
    supply = DataProvider.of(request.data_root, preset_name)
    budget = Budget(out / "spent.json", request.caps, connection.price(request))
    console.print(f"preset {preset_name}: {why}", highlight=False)

    with SweepProgress(console=console) as progress:
        data: dict[str, Prepared] = {}
        bases = {}
        for task in chosen:
            settings = {**task.paper, **(task.laptop if preset_name == "laptop" else {})}
            if request.body and request.body != settings["body"]:
                settings |= {"body": request.body, "source": sources.OF_BODY.get(request.body, settings["source"])}
            settings["source"] = request.source or settings["source"]
            for needed in (task.name, settings["source"]):
                if needed not in data:
                    with progress.preparing(needed) as show:
                        data[needed] = supply.prepare(tasks.get(needed), show)
            bases[task.name] = _base(task, settings, data, request)
            _check(bases[task.name], data)
        visibility.require_data(supply, data)
        sweep_id = "" if request.plan else directory.write_manifest(out, name, request, preset_name, bases)

        plans = [_plan(task, bases[task.name], data[task.name], request, preset, out, sweep_id) for task in chosen]
        if request.plan:
            with progress.preparing("the plan") as show:
                costs = planning.measure(plans, slots, supply, show)
            _tell_plan(planning.estimate(plans, costs, slots, request.scheduler, budget.price()), request, console)
            return 0
        domains = {plan.task.name: plan.study.space.domains() for plan in plans}
        progress.spent = budget.describe
        progress.expect(sum(plan.study.left for plan in plans))
        page = PageWriter(out, name, plans)
        board = TensorBoard(out, domains)
        observers: list[Observer] = [tables.Tables(out), board, progress, page]
        if request.track:
            observers.append(tracker(request.track, f"{name}-{sweep_id}"))
        if mirror:
            observers.append(mirror)
        gpus = slots.workers.gpus * slots.workers.count
        sweep = Sweep(plans, out, observers, slots.concurrent, gpus, budget, request.warm_start)
        try:
            if not sweep.finished:
                tune.run(sweep, slots.workers, supply, out / ".ray", places, remote)
        finally:
            budget.persist()
            board.flush()
    shutil.rmtree(out / ".ray", ignore_errors=True)
    if not sweep.finished:
        # Ctrl-C: Ray Tune has ended the trials under way, and their checkpoints lie where the next session finds them.
        page.write()
        console.print(_GOES_ON, highlight=False)
        return INTERRUPTED

    trivial = {plan.task.name: score for plan in plans if (score := baselines.score(plan.task, plan.data))}
    rows = leaderboard.write(out, {plan.task.name: _constant(plan) for plan in plans}, trivial)
    page.write()
    for plan in plans:
        best_model.keep_best(out, plan.task, remote)
        if mirror:
            mirror.drop(f"{plan.task.name}/{best_model.RUNNING}")
    console.print(leaderboard.render(rows, console.width))
    if sweep.capped:
        console.print(f"budget reached: {sweep.capped}; a larger one goes on from here", highlight=False)
    where = f"{remote}, a copy in {out}" if remote else out
    console.print(f"report.html, tables, models and leaderboard.md: {where}", highlight=False, soft_wrap=True)
    console.print(f"compare the trials: tensorboard --logdir {out / 'tb'}", highlight=False, soft_wrap=True)
    return 1 if sweep.failures else 0


def _tell_plan(estimates: Sequence[planning.Estimate], request: Request, console: Console) -> None:
    unknown = prices.per_hour(ray.nodes())[1]
    console.print(planning.table(estimates, not unknown))
    if unknown:
        label = f"give nodes the label {prices.PRICE_LABEL} in the cluster's YAML"
        console.print(f"the price of {', '.join(unknown)} is unknown: {label}", highlight=False, soft_wrap=True)
    for name, cap in vars(request.caps).items():
        most = sum(getattr(estimate.most, name) for estimate in estimates)
        if most > cap:
            console.print(f"{OPTIONS[name]} {cap:g} may end it early: without a cap it takes up to {most:.3g}")
    console.print("nothing was started: leave out --plan to start", highlight=False)


def _preset(request: Request) -> tuple[PresetName, str]:
    gpus = ray.cluster_resources().get("GPU", 0)
    if request.preset != "auto":
        return request.preset, "as asked for"
    return ("paper", f"Ray sees {gpus:g} GPUs") if gpus else ("laptop", "Ray sees no GPU")


def _base(task: Task, settings: Mapping[str, Any], data: Mapping[str, Prepared], request: Request) -> Run:
    """The published configuration of a task, as this request starts from it."""
    run = Run(
        task=task.name,
        data=data[task.name].key,
        body=settings["body"],
        source=settings["source"],
        source_data=data[settings["source"]].key,
        seed=request.seed,
    ).replace(settings)
    return run.replace({"epochs": request.epochs}) if request.epochs else run


def _check(run: Run, data: Mapping[str, Prepared]) -> None:
    """Build the run's model once, here: what does not fit together, or cannot be had, is told before any trial.

    Raises:
        RequestError: the body cannot be loaded, or body, task and source do not fit together.
    """
    task, source = tasks.get(run.task), tasks.get(run.source)
    methods.build(run, task, task.criterion, data[task.name].statistics, source, data[source.name].statistics)


def _plan(
    task: Task, base: Run, data: Prepared, request: Request, preset: Preset, out: Path, sweep_id: str
) -> TaskPlan:
    folder = out / task.name
    storage: str | None = request.study_storage or f"sqlite:///{folder / 'study.db'}"
    if request.plan and not (folder / "study.db").exists():
        storage = None  # a plan starts nothing
    else:
        folder.mkdir(exist_ok=True)
    study = Study(
        # A database may hold many sweeps; a file of OUT's own holds one.
        f"{out.name}-{sweep_id}-{task.name}" if request.study_storage else task.name,
        storage,
        task.metric.direction,
        base,
        space.for_run(base, task.modality),
        request.methods or ("pare",),
        request.trials or preset.trials,
        request.seed,
        request.sampler,
        request.scheduler,
    )
    seeds = request.seeds or preset.seeds
    after_search: tuple[tuple[Purpose, str], ...] = (("confirm", schema.CONFIRM), ("published", schema.PUBLISHED))
    done = {
        (purpose, row["method"], row["seed"]): best_model.run_of(row).flat()
        for purpose, table in after_search
        for row in tables.load(out, table).to_pylist(maps_as_pydicts="strict")
        if row["task"] == task.name and row["state"] == "complete"
    }
    # The search's own seed is not among them: its trials were chosen on it.
    return TaskPlan(task, data, study, range(request.seed + 1, request.seed + 1 + seeds), done)


def _constant(plan: TaskPlan) -> tuple[float, float]:
    """(validation, test) metric of the best prediction that ignores the input."""
    prediction = plan.task.constant(plan.data.split("train").y)
    scores = []
    for name in ("val", "test"):
        split = plan.data.split(name)
        predictions = np.broadcast_to(prediction, (len(split), *prediction.shape))
        scores.append(plan.task.score(plan.task.metric, predictions, split))
    return scores[0], scores[1]
