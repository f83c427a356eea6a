"""Executes the jobs of a resolved sweep, with the observers that report on them."""

from __future__ import annotations

import gc
import shutil
from typing import TYPE_CHECKING

from pare.layout import SweepDir
from pare.reporting import tables
from pare.reporting.progress import SweepProgress
from pare.reporting.tracking import tracker
from pare.search.executor import Executor
from pare.search.resolve import ResolvedSweep

if TYPE_CHECKING:
    from pare.search.output.bucket_sync import BucketSync


def execute(
    resolved: ResolvedSweep, executor: Executor, progress: SweepProgress, mirror: BucketSync | None = None
) -> None:
    """Run the jobs that are left, until there are none, a cap is reached, or Ctrl-C."""
    sweep, out, plans = resolved.sweep, resolved.out, resolved.plans
    written = tables.Tables(out)  # merges the parts that a killed driver left, even if no job is left
    if sweep.finished:
        return
    from pare.reporting.tensorboard.writer import TensorBoard
    from pare.search.report_writer import ReportWriter

    board = TensorBoard(out, {plan.task: plan.study.space.domains() for plan in plans})
    # The report reads the tables, so it comes after their writer.
    report = ReportWriter(out, resolved.name, plans)
    sweep.observers += [written, board, progress, report]
    if resolved.request.track:
        sweep.observers.append(tracker(resolved.request.track, f"{resolved.name}-{resolved.id}"))
    if mirror:
        sweep.observers.append(mirror)
    progress.spent = resolved.budget.describe
    progress.expect(sum(plan.study.left for plan in plans))
    storage = SweepDir(out).ray
    # Freeze the loaded objects: each garbage collection would traverse them again, .15 s at 10,000 trials.
    gc.collect()
    gc.freeze()
    try:
        executor.run(sweep, resolved.provider, storage, resolved.remote)
    finally:
        gc.unfreeze()
        resolved.budget.persist()
        report.close()
        written.close()
        board.flush()
    shutil.rmtree(storage, ignore_errors=True)
