"""The command `pare`: a module of this folder, with a `main`, for every sweep, and a few tools beside them."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

from pare import __version__

COMMANDS: Mapping[str, tuple[str, str]] = {
    "own": ("pare.commands.own", "sweep data of your own: arrays, a table, a folder of images"),
    "nas360": ("pare.commands.nas360", "sweep the ten tasks of NAS-Bench-360"),
    "pdebench": ("pare.commands.pdebench", "sweep the eight tasks of PDEBench"),
    "openml-cc18": ("pare.commands.openml_cc18", "sweep thirty tables of OpenML-CC18"),
    "ucr": ("pare.commands.ucr", "sweep time series of the UCR archive"),
    "prepare": ("pare.tasks.prepare", "bring and prepare data ahead of a sweep"),
    "report": ("pare.commands.report", "write report.html and the leaderboard of a sweep anew"),
    "tensorboard": ("pare.commands.tensorboard", "compare the trials of a sweep in TensorBoard"),
}
"""Module and description of each subcommand; modules are imported only when they are asked for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that a command line names; return its exit code, 2 if there is none of that name."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("--help", "-h"):
        print(_help())
        return 0
    if name == "--version":
        print(f"pare {__version__}")
        return 0
    known = name.replace("_", "-")  # the sweeps' files and folders of results are called openml_cc18, say
    if known not in COMMANDS:
        near = difflib.get_close_matches(known, COMMANDS, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        print(f"pare: no command {name!r}: {meant}choose from {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    code: int = import_module(COMMANDS[known][0]).main(rest)
    return code


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {line}" for name, (_, line) in COMMANDS.items()]
    return "\n".join(
        [
            "Usage: pare COMMAND [OPTIONS]",
            "",
            "Fine-tune a pretrained transformer on another modality (PaRe), and search for the best settings.",
            "",
            *lines,
            "",
            "pare COMMAND --help explains a command and its options; pare --version prints the version.",
        ]
    )
