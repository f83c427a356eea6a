"""Sweep PaRe over data of your own: a .npz with x and y, x.npy and y.npy, a table, or a folder of images per class.

pare own --data digits.npz
    laptop: small bodies; minutes on 2 cores for these 1797 digits, --plan estimates how many for yours.
pare own --data patients.csv --label diagnosis --group patient --metric macro-f1
    a table: texts are one-hot, or numbers and dates where they are such; no patient is in two splits. A column or array
    `split` gives splits of your own. The first lines say what was read, and how.

digits.npz, for instance: x, y = sklearn.datasets.load_digits(return_X_y=True); np.savez("digits.npz", x=x.reshape(-1,
8, 8), y=y). Logistic regression stands beside the results (2.6 % test error there); pare.load("runs/own/own/best")
predicts. For real numbers, (n,) or (n, k), it is ridge regression, and predictions are in the units of y.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, Self

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pare import tasks
from pare.data.task import Kind
from pare.errors import RequestError
from pare.search import command
from pare.search.request import Preset, PresetName, Request
from pare.tasks.openml import tables
from pare.tasks.own import importer
from pare.tasks.own.task import ChannelAxis, OwnTask

PRESETS: dict[PresetName, Preset] = {
    "laptop": Preset(tasks=(), trials=4, seeds=2),
    "paper": Preset(tasks=(), trials=40, seeds=3),
}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Own(Request):
    """A request for data of one's own; see `--help`."""

    data: Annotated[Path | None, Parameter(show_default=False)] = None
    """The file or folder. [required]"""

    kind: Annotated[Kind | None, Parameter(show_default=False)] = None
    """What y is. [default: told from y, and said]"""

    label: Annotated[str | None, Parameter(show_default=False)] = None
    """A table's column to predict; the array of targets. [default: label, else the last column; y]"""

    group: Annotated[str | None, Parameter(show_default=False)] = None
    """A table's column, or the array, of what must not be in two splits. [default: none; the array group]"""

    drop: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = ()
    """A table's columns to leave out."""

    metric: Annotated[str | None, Parameter(show_default=False)] = None
    """error, macro-f1, balanced-error, auroc, auroc-ovo; multilabel: auroc, macro-f1; dense: rmse, mae, relative-l2;
    regression: rmse, mae, r2. [default: the first of the kind]"""

    layout: Annotated[Literal["sequence", "image"] | None, Parameter(show_default=False)] = None
    """What x of three axes is: sequences (n, C, L) or images (n, H, W). [default: images where they are square]"""

    channels: Annotated[ChannelAxis | None, Parameter(show_default=False)] = None
    """Where the channels of x are. [default: told from its shape, and said]"""

    name: str = "own"
    """What to call the task: its folder in OUT and in the data root."""

    def ready(self) -> Self:
        """Make a task of the data, and say what it was taken for."""
        if self.data is None:
            raise RequestError("--data is missing: give a .npz, a table, or a folder")
        if self.tasks:
            raise RequestError(f"--tasks is {' '.join(self.tasks)}: leave it out, the task is --data")
        require_name(self.name)
        path = self.data.expanduser()
        options = (self.kind, self.label, self.group, self.metric, self.layout, self.channels, self.drop)
        task = importer.bring(self.root, self.name, path, *options)
        Console().print(summary(task))
        return replace(self, tasks=(self.name,))


def require_name(name: str) -> None:
    """Check the name of the task.

    Raises:
        RequestError: it is no folder's name, or another task has it.
    """
    importer.require_name(name)
    if name in (*tasks.names(), *tasks.sources(), *tables.TABLES):
        raise RequestError(f"--name is {name!r}, which is another task: give another name")


def summary(task: OwnTask) -> Table:
    """Lay out what the data was taken for."""
    table = Table(title=f"{task.name}: what was read", show_header=False, title_justify="left")
    for row in task.summary:
        table.add_row(*map(escape, row))
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweep of a command line; return its exit code."""
    return command.main("own", __doc__, PRESETS, arguments, Own)
