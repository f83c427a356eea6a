"""Writes TensorBoard runs: scalars and pictures per trial, and an HParams tab with every trial from its start.

The tab takes its columns from the first experiment summary that it reads, and drops columns absent there. So a trial
writes only session records, and each task's directory gets one summary that lists the hyperparameters of all tasks.
Event files are closed after every append, so none stays open, however many trials run. An ended run has one file.
Pictures take longest to draw, so a thread draws them later, and only for selected runs.
"""

from __future__ import annotations

import functools
import math
import operator
import shutil
import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np
from tensorboard.compat.proto.event_pb2 import SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams import summary_v2 as hparams
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.image import metadata as images
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.util.tensor_util import make_tensor_proto

from pare.config import MethodName
from pare.data.task import Task
from pare.layout import SweepDir
from pare.reporting.records import Domain, Record, describe
from pare.reporting.scalars import FIGURES, PICTURES, TEST, Figure
from pare.reporting.tensorboard import event_files
from pare.reporting.tensorboard import images as pictures
from pare.reporting.tensorboard.images import Picture

SHOWN = ("objective", "epoch", "val_metric", "val_loss", "loss", "samples_per_second")
"""Figures that are metrics of the HParams tab."""

_FIRST = ("method", "optimizer.lr.embedder", "optimizer.lr.body", "optimizer.lr.heads", "optimizer.weight_decay")
"""Hyperparameters that the tab shows by default, at most five: those of all methods.

Parallel coordinates leave out a trial that lacks one of those shown.
"""

_BY_SAMPLES = {"val_metric": "validation/metric_by_samples", "loss": "loss/train_by_samples"}
"""Tags of the curves whose step is the number of training samples; the step of all others is the epoch."""

_DIRECTIONS = {"samples/s": ", higher is better", "epochs": ""}
"""Directions by unit; for all other figures lower is better."""

_ALWAYS: Mapping[str, Domain] = {
    "method": Domain(choices=get_args(MethodName)),
    "seed": Domain(0, 2**31 - 1),
}

_FIRST_PICTURED, _MOST_PICTURED = 16, 200
"""Number of a task's search trials with pictures: the first ones, and the maximum in all."""

_AHEAD = 16
"""Number of reports whose pictures may be pending before the next report waits for them."""

_LATER = 0.3
"""Seconds before a report's pictures are drawn, so that the driver first gives the slot its next trial."""


class TensorBoard:
    """Writes the runs of a sweep to `out/tb/<task>/<trial>/`; `domains` are the searched hyperparameters by task.

    `flush` waits for all pictures.
    """

    def __init__(self, out: Path, domains: Mapping[Task, Mapping[str, Domain]]) -> None:
        self.root = SweepDir(out).tensorboard
        self._files: dict[tuple[str, str], Path] = {}
        """Event files of the running trials, by task and trial."""
        self._continued: set[Path] = set()
        """Files that mark where the curve resumes, so that TensorBoard drops an earlier session's later steps."""
        self._chosen: dict[str, set[str]] = defaultdict(set)
        """Search trials with pictures, by task."""
        self._best: dict[tuple[str, int], float] = {}
        """Best objective by task and epoch."""
        self._artist = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._due: deque[Future[None]] = deque()
        self._hurry = threading.Event()
        experiment = _experiment(domains)
        for task in domains:
            folder = self.root / task.name
            for old in folder.glob("*tfevents*"):
                old.unlink()
            event_files.append(folder / event_files.name(), experiment)

    def begin(self, record: Record) -> None:
        folder = self.root / record.task / record.trial
        raced = self.root / record.task / record.continues
        if record.continues and raced.is_dir() and not folder.exists():
            self.flush()
            shutil.copytree(raced, folder)
        # A trial that restarts has not ended, and of two end records TensorBoard would use the first.
        for old in folder.glob("*tfevents*"):
            event_files.reopen(old)
        path = folder / event_files.name()
        self._files[record.task, record.trial] = path
        if record.purpose == "search":
            values = {**record.searched, "method": record.method, "seed": record.seed}
            session = hparams.hparams_pb(
                {name: _plain(value) for name, value in values.items() if value is not None},
                trial_id=f"{record.task}/{record.trial}",
                start_time_secs=record.started.timestamp(),
            )
            event_files.append(path, session)

    def epoch(self, record: Record, figures: Mapping[str, Any]) -> None:
        step, samples = int(figures["epoch"]), int(figures["samples"])
        shown = any(name.startswith(PICTURES) for name in figures) and self._pictured(record)
        path = self._file(record)
        if path not in self._continued:
            self._continued.add(path)
            event_files.append(path, SessionLog(status=SessionLog.START), step=step)
            # TensorBoard drops this step and later ones, also of curves by samples, so these are copied; so are the
            # pictures of the step if the repeated report lacks them.
            earlier = dict.fromkeys(_BY_SAMPLES.values(), range(samples))
            event_files.copy(path, earlier if shown else {**earlier, PICTURES: (step,)})
        named = [(FIGURES[name], value) for name, value in figures.items() if name in FIGURES and value is not None]
        scalars = (s for figure, value in named if (s := _scalar(record, figure, value)))
        event_files.append(path, *scalars, step=step)
        curves = (
            _scalar(record, replace(FIGURES[name], tag=tag), figures[name])
            for name, tag in _BY_SAMPLES.items()
            if name in figures
        )
        event_files.append(path, *(scalar for scalar in curves if scalar), step=samples)
        if shown:
            self._due.append(
                self._artist.submit(self._draw, path, record.target, dict(figures), step, time.monotonic())
            )
        while self._due and (self._due[0].done() or len(self._due) > _AHEAD):
            self._due.popleft().result()

    def end(self, record: Record) -> None:
        path = self._file(record)
        if record.test is not None and (scalar := _scalar(record, TEST, record.test)):
            event_files.append(path, scalar, step=record.epochs)
        if record.purpose == "search":
            status = api_pb2.STATUS_FAILURE if record.state == "failed" else api_pb2.STATUS_SUCCESS
            ended = (record.ended or datetime.now()).timestamp()
            event_files.append(path, _session_end(status, ended))
        event_files.join(path)
        del self._files[record.task, record.trial]
        self._continued.discard(path)

    def flush(self) -> None:
        """Wait for the pending pictures."""
        self._hurry.set()
        while self._due:
            self._due.popleft().result()
        self._hurry.clear()

    def _pictured(self, record: Record) -> bool:
        """Whether a run gets pictures: it follows the search, is among a task's first, a power of two, or the best yet.

        The best yet has the best objective after the same epoch.
        """
        if record.purpose != "search":
            return True
        chosen, key = self._chosen[record.task], (record.task, record.epochs)
        best, metric = self._best.get(key), record.target.metric
        leads = record.objective is not None and (best is None or metric.better(record.objective, best))
        if leads:
            self._best[key] = float(record.objective or 0.0)
        if record.trial not in chosen and len(chosen) < _MOST_PICTURED:
            number = int(record.trial.rpartition("-")[2])
            if leads or number < _FIRST_PICTURED or number & (number - 1) == 0:
                chosen.add(record.trial)
        return record.trial in chosen

    def _draw(self, path: Path, task: Task, figures: Mapping[str, Any], step: int, told: float) -> None:
        self._hurry.wait(max(0.0, told + _LATER - time.monotonic()))
        drawn = pictures.draw(task, figures)
        event_files.append(path, *(_image(tag, picture) for tag, picture in drawn.items()), step=step)

    def _file(self, record: Record) -> Path:
        """Return the event file of a trial; create it for one that failed before it began."""
        if (record.task, record.trial) not in self._files:
            self.begin(record)
        return self._files[record.task, record.trial]


def _experiment(domains: Mapping[Task, Mapping[str, Domain]]) -> Any:
    """Return the summary of all tasks' hyperparameters with their domains, and of all metrics."""
    metrics = {task.name: task.metric for task in domains}
    by_task = "; ".join(f"{task}: {describe(metric)}" for task, metric in metrics.items())
    names = {metric.name for metric in metrics.values()}
    measure = names.pop() if len(names) == 1 else "metric"

    def metric(figure: Figure) -> Any:
        if figure.unit != "metric":
            direction = _DIRECTIONS.get(figure.unit, ", lower is better")
            unit = f" [{figure.unit}]" if figure.unit else ""
            display, description = str(figure.tag), f"{figure.description}{unit}{direction}"
        else:
            display, description = f"{measure} ({figure.tag})", f"{figure.description}. {by_task}"
        training = str(figure.tag).startswith(("loss/", "speed/"))
        kind = hparams.Metric.TRAINING if training else hparams.Metric.VALIDATION
        return hparams.Metric(figure.tag, display_name=display, description=description, dataset_type=kind)

    searched: dict[str, list[Domain]] = {name: [domain] for name, domain in _ALWAYS.items()}
    for name in sorted({name for own in domains.values() for name in own}):
        searched[name] = [own[name] for own in domains.values() if name in own]
    infos = [hparams.HParam(name, _domain(functools.reduce(operator.or_, all_))) for name, all_ in searched.items()]
    summary = hparams.hparams_config_pb(infos, [metric(FIGURES[name]) for name in SHOWN])
    return _in_front(summary)


def _in_front(summary: Any) -> Any:
    """Mark some hyperparameters of a summary as differing: the tab sorts by that first, then by name."""
    content = HParamsPluginData.FromString(summary.value[0].metadata.plugin_data.content)
    for info in content.experiment.hparam_infos:
        info.differs = info.name in _FIRST
    summary.value[0].metadata.CopyFrom(metadata.create_summary_metadata(content))
    return summary


def _session_end(status: int, ended: float) -> Any:
    # TensorBoard's own function for this wants TensorFlow.
    content = HParamsPluginData(session_end_info=SessionEndInfo(status=status, end_time_secs=ended))
    value = Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=metadata.create_summary_metadata(content))
    value.tensor.CopyFrom(metadata.NULL_TENSOR)
    return Summary(value=[value])


def _domain(domain: Domain) -> Any:
    if domain.low is not None and domain.high is not None:
        return hparams.RealInterval(float(domain.low), float(domain.high))
    kind = next((kind for kind in (str, bool) if all(isinstance(c, kind) for c in domain.choices)), float)
    return hparams.Discrete([kind(choice) for choice in domain.choices], kind)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | np.generic) else str(value)


def _scalar(record: Record, figure: Figure, value: float) -> Any | None:
    """Return the summary of a figure; None if it is not plotted or not finite."""
    if figure.tag is None or not math.isfinite(value):
        return None
    description = figure.description
    if figure.unit == "metric":
        description += f": {describe(record.target.metric)}"
    elif figure.unit:
        description += f" [{figure.unit}]"
    return scalar_pb(figure.tag, value, description=description)


def _image(tag: str, picture: Picture) -> Any:
    # TensorBoard's own function for this wants TensorFlow.
    content = np.array([str(picture.width).encode(), str(picture.height).encode(), picture.png], dtype=object)
    kind = images.create_summary_metadata("", picture.description)
    return Summary(value=[Summary.Value(tag=tag, metadata=kind, tensor=make_tensor_proto(content))])
