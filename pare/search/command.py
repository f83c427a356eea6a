"""The command behind every script in `sweeps/`: from options to a leaderboard."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import ray
from filelock import FileLock, Timeout
from rich.console import Console

from pare import tasks
from pare.config import Run
from pare.errors import DataError, RequestError
from pare.method import methods
from pare.reporting import card, leaderboard, tables
from pare.reporting.progress import Progress
from pare.reporting.records import Observer
from pare.reporting.tensorboard import TensorBoard
from pare.search import cluster, space, tune
from pare.search.request import Preset, PresetName, Request, parse
from pare.search.study import Study
from pare.search.sweep import Sweep, TaskPlan
from pare.search.trial import MODEL
from pare.tasks import store
from pare.tasks.store import Prepared
from pare.tasks.task import Task

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

_VERSIONS = ("pare-sweep", "ray", "torch", "transformers", "optuna")


def main(
    name: str, description: str, presets: Mapping[PresetName, Preset], arguments: Sequence[str] | None = None
) -> int:
    """Run the sweep that the command line asks for; returns the exit code.

    0: finished. 1: something failed that should not have. 2: the request is wrong or cannot be met, said in one line.
    130: interrupted; the same command goes on.
    """
    try:
        request = parse(name, description, sys.argv[1:] if arguments is None else arguments)
        return 0 if request is None else _sweep(name, request, presets)
    except RequestError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    finally:
        ray.shutdown()


def _sweep(name: str, request: Request, presets: Mapping[PresetName, Preset]) -> int:
    console = Console()
    chosen = [tasks.get(task) for task in request.tasks]
    out = _writable(request.out or Path("runs") / name)
    with _alone(out):
        return _run(name, request, presets, chosen, out, console)


def _run(
    name: str,
    request: Request,
    presets: Mapping[PresetName, Preset],
    chosen: list[Task],
    out: Path,
    console: Console,
) -> int:
    cluster.connect(request.address)
    slots = cluster.slots(request)
    preset_name, why = _preset(request)
    preset = presets[preset_name]
    chosen = chosen or [tasks.get(task) for task in preset.tasks]
    trials, seeds = request.trials or preset.trials, request.seeds or preset.seeds
    console.print(f"preset {preset_name}: {why}", highlight=False)

    with Progress(console=console) as progress:
        data: dict[str, Prepared] = {}
        bases = {}
        for task in chosen:
            settings = {**task.paper, **(task.laptop if preset_name == "laptop" else {})}
            for needed in (task.name, settings["source"]):
                if needed not in data:
                    with progress.preparing(needed) as show:
                        data[needed] = store.prepare(tasks.get(needed), request.root, preset_name, show)
            bases[task.name] = _base(task, settings, data, request)
            _check(bases[task.name], data)
        _remember(out, name, request, preset_name, bases)

        plans = [_plan(task, bases[task.name], data[task.name], request, out, trials, seeds) for task in chosen]
        domains = {plan.task.name: space.for_run(bases[plan.task.name], plan.task.modality).domains() for plan in plans}
        progress.expect(sum(plan.study.left for plan in plans))
        observers: list[Observer] = [tables.Tables(out), TensorBoard(out, domains), progress]
        sweep = Sweep(plans, out, observers, slots.concurrent, slots.workers.gpus * slots.workers.count)
        if not sweep.finished:
            tune.run(sweep, slots.workers, request.root, out / ".ray")
    shutil.rmtree(out / ".ray", ignore_errors=True)
    if not sweep.finished:
        # Ctrl-C: Ray Tune has ended the trials under way, and their checkpoints lie where the next sitting finds them.
        console.print("interrupted: the same command goes on from here", highlight=False)
        return INTERRUPTED

    rows = leaderboard.write(out, {plan.task.name: _constant(plan) for plan in plans})
    for plan in plans:
        _keep_best(out, plan.task)
    console.print(leaderboard.render(rows, console.width))
    console.print(f"tables, models and leaderboard.md: {out}", highlight=False, soft_wrap=True)
    console.print(f"compare the trials: tensorboard --logdir {out / 'tb'}", highlight=False, soft_wrap=True)
    return 1 if sweep.failures else 0


def _writable(out: Path) -> Path:
    """The sweep's directory, made if need be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RequestError(f"--out is {str(out)!r}: {error.strerror}; give a directory that can be written") from None
    return out.resolve()


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the directory against a second sweep. The lock dies with its process, so none is ever stale.

    Raises:
        RequestError: a sweep is at work there; names its owner.
    """
    path = out / ".lock"
    lock = FileLock(path.with_suffix(".held"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        owner = path.read_text() if path.exists() else "another process"
        raise RequestError(
            f"--out is {str(out)!r}: a sweep is at work there ({owner}); wait, or give another"
        ) from None
    try:
        path.write_text(f"process {os.getpid()} on {platform.node()} since {datetime.now():%Y-%m-%d %H:%M}")
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


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


def _plan(task: Task, base: Run, data: Prepared, request: Request, out: Path, trials: int, seeds: int) -> TaskPlan:
    folder = out / task.name
    folder.mkdir(exist_ok=True)
    study = Study(
        task,
        base,
        space.for_run(base, task.modality),
        request.methods or ("pare",),
        trials,
        request.study_storage or f"sqlite:///{folder / 'study.db'}",
        request.seed,
    )
    confirmed = {(row["method"], row["seed"]) for row in _confirmations(out, task) if row["state"] == "complete"}
    # The search's own seed is not among them: its trials were chosen on it.
    return TaskPlan(task, data, study, range(request.seed + 1, request.seed + 1 + seeds), confirmed)


def _confirmations(out: Path, task: Task) -> list[dict[str, Any]]:
    if not (out / task.name / "confirm.parquet").exists():
        return []
    rows: list[dict[str, Any]] = tables.load(out, "confirm").to_pylist()
    return [row for row in rows if row["task"] == task.name]


def _constant(plan: TaskPlan) -> tuple[float, float]:
    """(validation, test) metric of the best prediction that ignores the input."""
    prediction = plan.task.constant(plan.data.split("train").y)
    scores = []
    for name in ("val", "test"):
        split = plan.data.split(name)
        predictions = np.broadcast_to(prediction, (len(split), *prediction.shape))
        scores.append(plan.task.score(plan.task.metric, predictions, split))
    return scores[0], scores[1]


def _keep_best(out: Path, task: Task) -> None:
    """Leave the best confirmed model by validation in `best/`, its card telling of all seeds; drop the others."""
    running = out / task.name / "running"
    models = [row for row in _confirmations(out, task) if (running / row["trial"] / MODEL).is_dir()]
    if models:
        pick = min if task.metric.direction == "minimize" else max
        chosen = pick(models, key=lambda row: row["validation"])
        same = [row for row in _confirmations(out, task) if row["method"] == chosen["method"]]
        tests = [row["test"] for row in same if row["test"] is not None]
        source, best = running / chosen["trial"] / MODEL, out / task.name / "best"
        run = Run.from_flat(json.loads((source / "run.json").read_text())["run"])
        facts = {
            "validation": chosen["validation"],
            "test": float(np.mean(tests)),
            "spread": float(np.std(tests, ddof=1)) if len(tests) > 1 else None,
            "seeds": [row["seed"] for row in same],
            "gpu_hours": sum(row["gpu_hours"] for row in same),
            "provenance": chosen["provenance"],
        }
        card.card(run, facts).save(source / "README.md")
        shutil.rmtree(best, ignore_errors=True)
        source.rename(best)
    shutil.rmtree(running, ignore_errors=True)


def _remember(out: Path, name: str, request: Request, preset: str, bases: Mapping[str, Run]) -> None:
    """Write sweep.json; what an earlier sitting left there must be the same sweep.

    Raises:
        RequestError: the directory holds another sweep.
    """
    path = out / "sweep.json"
    identity = {"script": name, "preset": preset, "seed": request.seed}
    if path.exists():
        try:
            earlier = json.loads(path.read_text())
            changed = [key for key, value in identity.items() if earlier[key] != value]
            changed += [
                f"settings of {task}"
                for task, run in bases.items()
                if earlier["base"].get(task, run.flat()) != run.flat()
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is damaged ({error!r}): give another --out, or remove it") from None
        if changed:
            raise RequestError(f"--out is {str(out)!r}: it holds a sweep of other {', '.join(changed)}; give another")
        bases = {task: Run.from_flat(flat) for task, flat in earlier["base"].items()} | dict(bases)
    text = {
        **identity,
        "request": {key: str(value) if isinstance(value, Path) else value for key, value in asdict(request).items()},
        "base": {task: run.flat() for task, run in bases.items()},
        "versions": {"python": platform.python_version(), **{each: metadata.version(each) for each in _VERSIONS}},
        "commit": _commit(),
        "machine": {"system": platform.platform(), "resources": ray.cluster_resources()},
    }
    temporary = path.with_name(f".sweep.json.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(text, indent=2, ensure_ascii=False))
    temporary.replace(path)


def _commit() -> str | None:
    """The commit of a source checkout; None of an installed package."""
    git = shutil.which("git")
    if git is None:
        return None
    here = Path(__file__).parent
    answer = subprocess.run(  # noqa: S603 - fixed arguments
        [git, "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None
