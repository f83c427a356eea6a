"""Publishes a sweep's results once its jobs are over: leaderboard, report and best models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pare.layout import RUNNING, SweepDir
from pare.reporting import best_model, comparison, leaderboard
from pare.reporting.tensorboard import board
from pare.search.resolve import ResolvedSweep

if TYPE_CHECKING:
    from pare.search.output.bucket_sync import BucketSync


def publish(resolved: ResolvedSweep, mirror: BucketSync | None, console: Console) -> None:
    """Write leaderboard and report, keep the best model of each task, and print the leaderboard and the paths."""
    out, plans = resolved.out, resolved.plans
    rows = leaderboard.write(out)
    if not _is_published(resolved):
        write_report(resolved)
        for plan in plans:
            best_model.keep_best(out, plan.task, resolved.remote)
            if mirror:
                mirror.drop(f"{plan.task.name}/{RUNNING}")
    console.print(leaderboard.render(rows, console.width, comparison.conclusions(out)))
    if resolved.sweep.capped:
        console.print(f"budget reached: {resolved.sweep.capped}; a larger one goes on from here", highlight=False)
    where = f"{resolved.remote}, a copy in {out}" if resolved.remote else out
    console.print(
        f"report.html, tables, models and leaderboard.md: {where}", highlight=False, markup=False, soft_wrap=True
    )
    console.print(f"compare the trials: {board.line(out)}", highlight=False, markup=False, soft_wrap=True)


def _is_published(resolved: ResolvedSweep) -> bool:
    """Whether an earlier session finished `publish`, and no job has run since: it deletes the runs' folders last.

    False for a sweep in a bucket, because this machine does not see its runs' folders.
    """
    out = SweepDir(resolved.out)
    running = [out.task(plan.task.name).running for plan in resolved.plans]
    return resolved.remote is None and out.report.exists() and not any(map(Path.exists, running))


def write_report(resolved: ResolvedSweep) -> None:
    """Write the current `report.html`."""
    from pare.search.report_writer import ReportWriter  # with Plotly and scikit-learn

    ReportWriter(resolved.out, resolved.name, resolved.plans).write()
