"""Estimates the cost of a request from measured steps of every task and method on this cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.table import Table

from pare import tasks
from pare.config import MethodName, Run
from pare.data.provider import DataProvider
from pare.data.task import ProgressCallback
from pare.reporting.progress import SweepProgress
from pare.search.budget import OPTIONS, Amounts
from pare.search.cluster import prices
from pare.search.cluster.connection import Slots
from pare.search.executor import Executor
from pare.search.finals import most_runs
from pare.search.plans import TaskPlan
from pare.search.resolve import ResolvedSweep
from pare.search.study import SchedulerName
from pare.search.study.halving import Halving, MeasuredHalving, rungs
from pare.training.estimate_cost import MeasuredCost, estimate_cost


@dataclass(frozen=True)
class Estimate:
    """The trials left of a task and their cost, from the least (earliest possible pruning) to the most (no pruning)."""

    plan: TaskPlan
    trials: int
    least: Amounts
    most: Amounts


def tell(resolved: ResolvedSweep, executor: Executor, progress: SweepProgress) -> None:
    """Measure a few steps of every task and method, and print the cost of the sweep."""
    request, console = resolved.request, progress.console
    with progress.preparing("the plan") as show:
        costs = measure(resolved.plans, executor, resolved.provider, show)
    estimates = estimate(resolved.plans, costs, executor.slots, request.scheduler, resolved.budget.price())
    unknown = prices.per_hour(executor.nodes())[1]
    console.print(table(estimates, not unknown))
    if unknown:
        label = f"give nodes the label {prices.PRICE_LABEL} in the cluster's YAML"
        console.print(f"the price of {', '.join(unknown)} is unknown: {label}", highlight=False, soft_wrap=True)
    for line in fitting(costs, executor.slots.workers.gpus):
        console.print(line, highlight=False, soft_wrap=True)
    for name, cap in vars(request.caps).items():
        most = sum(getattr(each.most, name) for each in estimates)
        if most > cap:
            console.print(f"{OPTIONS[name]} {cap:g} may end it early: without a cap it takes up to {most:.3g}")
    console.print("nothing was started: leave out --plan to start", highlight=False)


def measure(
    plans: Sequence[TaskPlan], executor: Executor, provider: DataProvider, progress: ProgressCallback
) -> dict[tuple[str, MethodName], MeasuredCost]:
    """Measure the seconds of an epoch by task and method, each on one worker."""
    keys = [(plan, method) for plan in plans for method in plan.study.methods]
    runs = [plan.study.published(method) for plan, method in keys]
    costs = executor.map(partial(_estimate_cost, provider, tasks.definitions()), runs, progress)
    return {(plan.task.name, method): cost for (plan, method), cost in zip(keys, costs, strict=True)}


def _estimate_cost(provider: DataProvider, own: Sequence[tasks.Definition], run: Run) -> MeasuredCost:
    tasks.adopt(own)
    task, source = tasks.get(run.task), tasks.get(run.source)
    return estimate_cost(run, task, source, provider.ready(run, task, source))


def fitting(costs: Mapping[tuple[str, MethodName], MeasuredCost], gpus: float) -> list[str]:
    """Describe how many trials of each task fit one GPU, by its largest method; warn of a share that is too small."""
    lines = []
    for task in dict.fromkeys(task for task, _ in costs):
        most = max((cost for (name, _), cost in costs.items() if name == task), key=lambda cost: cost.memory)
        if not most.memory:
            continue
        line = f"{task}: a trial takes {most.memory:.1f} of a GPU's {most.capacity:.1f} GiB, {most.fit} fit one"
        if 0 < gpus < 1 and most.memory > gpus * most.capacity:
            share = f"give {1 / most.fit:.2g}" if most.fit > 1 else "give 1"
            line += f"; --gpus-per-trial {gpus:g} is too small a share: {share}, or a smaller batch"
        lines.append(line)
    return lines


def estimate(
    plans: Sequence[TaskPlan],
    costs: dict[tuple[str, MethodName], MeasuredCost],
    slots: Slots,
    scheduler: SchedulerName,
    price: float,
) -> list[Estimate]:
    """Estimate each task's search and confirmation, on the assumption that workers share an epoch evenly."""
    estimates = []
    for plan in plans:
        epochs, seeds = plan.study.epochs, len(plan.seeds)
        pending = plan.study.pending_methods({m: costs[plan.task.name, m].epoch * epochs for m in plan.study.methods})
        least = most = 0.0
        for method, trials in Counter(pending).items():
            seconds = costs[plan.task.name, method].epoch / slots.workers.count
            # A single trial is confirmed without a race.
            after = most_runs(trials, seeds) * epochs
            least += seconds * (fewest_epochs(trials, epochs, scheduler) + seeds * epochs)
            most += seconds * (trials * epochs + after)
        amounts = [_amounts(seconds, slots, price) for seconds in (least, most)]
        estimates.append(Estimate(plan, len(pending), *amounts))
    return estimates


def fewest_epochs(trials: int, epochs: int, scheduler: SchedulerName) -> float:
    """Return the epochs of a search in which the scheduler prunes every trial but the best as early as it can."""
    if scheduler == "none":
        return trials * epochs
    if scheduler == "median":
        return trials * epochs / 2
    if scheduler == "hyperband":
        reduction = Halving.reduction
        ends = [reduction**rung for rung in range(epochs) if reduction**rung < epochs]
    else:
        reduction, ends = MeasuredHalving.reduction, list(rungs(epochs))
    total, before, left = 0.0, 0, float(trials)
    for rung in [*ends, epochs]:
        total += max(left, 1.0) * (rung - before)
        before, left = rung, left / reduction
    return total


def table(estimates: Sequence[Estimate], priced: bool) -> Table:
    """Format the plan for a terminal: a row per task, and their sum."""
    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("task", "data", "trials", "hours", "GPU-hours", "dollars"):
        shown.add_column(name, justify="left" if name in ("task", "data") else "right", no_wrap=True)
    for one in estimates:
        shown.add_row(
            one.plan.task.name, one.plan.data.provenance, str(one.trials), *_ranges(one.least, one.most, priced)
        )
    least, most = (sum((getattr(e, end) for e in estimates), Amounts()) for end in ("least", "most"))
    shown.add_row("all", "", str(sum(e.trials for e in estimates)), *_ranges(least, most, priced), style="bold")
    return shown


def _amounts(slot_seconds: float, slots: Slots, price: float) -> Amounts:
    hours = slot_seconds / 3600 / slots.concurrent
    held = slots.workers.gpus * slots.workers.count
    return Amounts(hours, slot_seconds / 3600 * held, hours * price)


def _ranges(least: Amounts, most: Amounts, priced: bool) -> list[str]:
    texts = [_range(getattr(least, name), getattr(most, name)) for name in ("hours", "gpu_hours", "usd")]
    return texts if priced else [*texts[:2], "unknown"]


def _range(low: float, high: float) -> str:
    texts: list[Any] = [f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in (low, high)]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} – {texts[1]}"
