"""`pare prepare TASK…`: bring and prepare data ahead of a sweep, on a machine without a GPU, say."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from pare import tasks
from pare.data import parallel, provider, store
from pare.data.official import download, locate
from pare.data.provider import DataProvider
from pare.data.task import ProgressCallback, Task
from pare.errors import RequestError
from pare.terminal import print_anywhere

_NAME = "pare prepare"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asks for; see `--help`."""

    preset: Literal["laptop", "paper"] = "laptop"
    """Sizes of what is made where official files are not there."""

    data_root: Annotated[str | None, Parameter(show_default=False)] = None
    """Directory of raw and prepared data, or a folder in a bucket that is to have what is prepared here, in the
    default. [default: $PARE_DATA, else ~/.cache/pare]"""

    from_: Annotated[str | None, Parameter(name="--from", show_default=False)] = None
    """Folder, tar or zip, or http://, https:// or s3:// URL, that official files come from, to DATA_ROOT/<task>/raw."""

    download: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Get official files from their public addresses, for the tasks that have one; goes on where it broke off."""

    verify: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Compare what is ready already with its checksums, too."""

    address: Annotated[str | None, Parameter(show_default=False)] = None
    """Ray cluster to convert large data on. [default: all cores of this machine]"""

    @property
    def root(self) -> Path:
        """Directory of raw and prepared data on this machine."""
        return provider.root(self.data_root)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare the tasks of a command line; returns the exit code, 0 or, for what a user can mend, 2."""
    print_anywhere()
    app = App(name=_NAME, help=_HELP, help_format="plaintext", version_flags=[], result_action="return_value")

    @app.default
    def _(*task: str, options: Options = Options()) -> int:
        if not task:
            raise RequestError(f"no task: choose from {', '.join(tasks.names())}")
        _prepare(task, options)
        return 0

    try:
        code: int | None = app(sys.argv[1:] if arguments is None else arguments, exit_on_error=False, print_error=False)
        return code or 0
    except (RequestError, CycloptsError) as error:
        print(f"{_NAME}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


_HELP = """Prepare the data of TASKS: of official files if they are there, else of data made in their stead.

Exit codes: 0, all is ready; 2, the request is wrong or cannot be met, said in one line."""


def _prepare(names: Sequence[str], options: Options) -> None:
    chosen = [tasks.get(name) for name in dict.fromkeys(names)]
    console = Console()

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True, markup=False)

    data = DataProvider.of(options.data_root, options.preset)
    with ExitStack() as stack:
        source = _source(chosen, options, stack)
        if options.address:
            stack.enter_context(parallel.cluster(options.address))
        for task in chosen:
            if source:
                with _bar(console, f"getting {task.name}") as progress:
                    copies = locate.bring(task, source, options.root / task.name / "raw", progress)
                for copy in copies:
                    say(f"{copy.path}: {copy.size:,} bytes, {copy.sha256 or 'there already'}")
            made = store.origin(task, options.root, options.preset)
            # What is simulated is too little to start Ray for.
            if task.in_parts and made.provenance == "real" and not made.ready and not parallel.connected():
                stack.enter_context(parallel.cluster(None))
            with _bar(console, f"preparing {task.name}") as progress:
                ready = data.prepare(task, progress)
            if options.verify:
                ready.verify()
            counts = ", ".join(f"{count:,} {name}" for name, count in ready.counts.items())
            say(f"{task.name}: {ready.provenance}, {counts} samples in {ready.root / ready.key}")


def _source(chosen: Sequence[Task], options: Options, stack: ExitStack) -> locate.Source | None:
    if options.from_ and options.download:
        raise RequestError(f"--from is {download.shown(options.from_)!r} beside --download: give one of them")
    if options.from_:
        return stack.enter_context(locate.source(options.from_))
    return locate.public(chosen, options.root) if options.download else None


@contextmanager
def _bar(console: Console, title: str) -> Iterator[ProgressCallback]:
    """A bar on a terminal while the context lasts; what it yields is told (done, total)."""
    columns = TextColumn(title), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


if __name__ == "__main__":
    sys.exit(main())
