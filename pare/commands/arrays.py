"""`pare.sweep`: a sweep over arrays, from Python, in a script or a notebook."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from rich.console import Console

from pare.commands import own
from pare.data import parallel
from pare.data.task import Kind
from pare.errors import RequestError
from pare.layout import SweepDir
from pare.reporting import comparison, leaderboard, schema, tables
from pare.reporting.entries import Entry, build
from pare.search import command
from pare.search.output import directory
from pare.search.request import PYTHON, Request, parse
from pare.tasks.own.importer import settle
from pare.tasks.own.samples import Samples, check
from pare.tasks.own.task import ArrayLayout, ChannelAxis

if TYPE_CHECKING:
    from pare.reporting.export import TrainedModel

_ARRAYS = Path("the arrays")
"""Stands in messages where a file's path would."""

_WIDTH = 100
"""Columns of a printed result."""


class _PythonRequest(Request):
    """The same options; the report then tells them as keywords."""

    program: ClassVar[str] = PYTHON


@dataclass(frozen=True)
class SweepResult:
    """What a sweep left in the directory `path`; it prints as its leaderboard."""

    path: Path
    task: str
    finished: bool
    """Whether it ended by itself or at a cap; after Ctrl-C the same call goes on."""
    failures: int = 0
    """Number of confirmations that failed, which should be 0."""

    @cached_property
    def leaderboard(self) -> list[Entry]:
        """The methods and baselines, best test metric first; methods that were not tested, for want of time, last."""
        directory.adopt_tasks(self.path)  # the next sweep of this process may have had another task of that name
        return [row for row in build(self.path) if row.task == self.task]

    @cached_property
    def trials(self) -> list[tables.Row]:
        """A row per trial of the search: state, epochs, objective, seconds, and every setting as `config.<name>`."""
        return [row for row in tables.load(self.path, schema.TRIALS).to_pylist() if row["task"] == self.task]

    @cached_property
    def best(self) -> TrainedModel:
        """The best model, ready to predict; `pare.load` loads it anywhere from the folder `best` below `path`.

        Raises:
            DataError: the sweep was interrupted, or ended at a cap, before there was one.
        """
        from pare.reporting.export import load

        return load(SweepDir(self.path).task(self.task).best)

    def predict(self, x: Any) -> np.ndarray:
        """Samples like those of the sweep → class probabilities (n, classes), or targets in their own units.

        Raises:
            RequestError: the samples have another shape; there is no model yet.
        """
        return self.best.predict(x)

    def __repr__(self) -> str:
        text, rows = io.StringIO(), self.leaderboard
        directory.adopt_tasks(self.path)
        board = leaderboard.render(rows, _WIDTH, comparison.conclusions(self.path))
        Console(file=text, width=_WIDTH, force_jupyter=False).print(board)
        state = "" if self.finished else "interrupted: the same call goes on\n"
        return f"{text.getvalue()}\n{state}{self.path}"


def sweep(
    x: Any,
    y: Any,
    *,
    group: Any = None,
    split: Any = None,
    kind: Kind | None = None,
    metric: str | None = None,
    layout: ArrayLayout | None = None,
    channels: ChannelAxis | None = None,
    name: str = "own",
    progress: bool = True,
    **options: Any,
) -> SweepResult:
    """Search for the best fine-tuned model of samples `x` and targets `y`; the same as `pare own` on a file of them.

    `x` is an array of sequences (n, L) or (n, C, L), images (n, H, W), (n, C, H, W) or (n, H, W, C), or a data frame.
    `y` holds a class a row (n,), 0 and 1 (n, labels), numbers (n,) or (n, k), or fields of the size of x. `group` (n,)
    keeps samples together in one split; `split` (n,) says train, val or test. Every option of `pare own --help`
    is a keyword: `trials=20`, `out="runs/sensor"`, `max_hours=1`, `executor="inline"`; `set={"optimizer.batch": 16}`,
    `search={"mix_weight": (0.1, 1), "curriculum.family": ["linear", "constant"]}`.

    The same call again goes on where it ended. After Ctrl-C, or the stop button of a notebook, the running trials end
    and the result so far comes back, not `finished`.

    Raises:
        DataError: the arrays are unsuitable; names the rows.
        RequestError: an option does not exist, or has a value that cannot be met.
        ClusterError: Ray no longer gives what the sweep needs.
    """
    if parallel.connected():
        raise RequestError("Ray is at work in this process: call ray.shutdown() first, a sweep starts its own")
    request = parse("pare own", "", list(_words({"out": f"runs/{name}", **options})), _PythonRequest)
    if request is None or request.plan or request.space or request.tasks:
        raise RequestError("help, plan, space and tasks are options of the command `pare own`: leave them out")
    own.require_name(name)
    given = Samples(
        x if isinstance(x, pd.DataFrame) else np.asarray(x),
        np.asarray(y),
        None if group is None else np.asarray(group),
        None if split is None else np.asarray(split),
    )
    check(_ARRAYS, given)
    task = settle(request.root, name, _ARRAYS, given, kind=kind, metric=metric, layout=layout, channels=channels)
    console = Console(quiet=not progress)
    console.print(own.summary(task))
    outcome = command.run("own", replace(request, tasks=(name,)), own.PRESETS, console)
    if not outcome.finished:
        console.print("interrupted: the same call goes on from here", highlight=False)
    return SweepResult(outcome.out, name, outcome.finished, outcome.failures)


def _words(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the command line of keywords, so that a value is checked, and refused, as it is there."""
    for name, value in options.items():
        option = f"--{name.strip('_').replace('_', '-')}"
        if isinstance(value, bool):
            yield option if value else option.replace("--", "--no-", 1)
        elif isinstance(value, Mapping):
            yield from (option, *(f"{key}={_domain(of)}" for key, of in value.items()))
        elif isinstance(value, list | tuple):
            yield from (option, *map(str, value)) if value else ()
        elif value is not None:
            yield from (option, str(value))


def _domain(value: Any) -> str:
    """Write what a setting may be as the options have it: an interval (low, high), or a list of choices."""
    if isinstance(value, tuple):
        return ":".join(map(str, value))
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
