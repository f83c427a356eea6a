"""`pare report OUT`: write the leaderboard and `report.html` of a sweep anew from its tables, and print the former."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, CycloptsError
from rich.console import Console

from pare.errors import RequestError
from pare.search.output import directory
from pare.terminal import print_anywhere

_HELP = """Write leaderboard.md, leaderboard.parquet and report.html of the sweep in OUT anew from its tables.

OUT is what --out was, runs/nas360, say. The sweep may be at work, and this machine need not have its data. Exit codes:
0, all is written; 2, OUT holds no sweep or a damaged one, said in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report that a command line asks for; return the exit code, 0 or, for what a user can mend, 2."""
    print_anywhere()
    app = App(name="pare report", help=_HELP, help_format="plaintext", version_flags=[], result_action="return_value")

    @app.default
    def _(out: Path, /) -> int:
        _write(out)
        return 0

    try:
        code: int | None = app(sys.argv[1:] if arguments is None else arguments, exit_on_error=False, print_error=False)
        return code or 0
    except (RequestError, CycloptsError) as error:
        print(f"pare report: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _write(out: Path) -> None:
    directory.adopt_tasks(out)
    # Plotly, Optuna and scikit-learn take a second, which a refusal should not wait for.
    from pare.reporting import comparison, leaderboard
    from pare.search import report_writer

    console = Console()
    rows = leaderboard.write(out)
    path = report_writer.rewrite(out)
    console.print(leaderboard.render(rows, console.width, comparison.conclusions(out)))
    console.print(f"written: {path}", highlight=False, markup=False, soft_wrap=True)
