"""The script of NAS-Bench-360 as tests call it."""

from pathlib import Path

from pare.search import command
from sweeps import nas360

SCRIPT = Path(nas360.__file__)
SMALL = ["--trials", "4", "--epochs", "3", "--seeds", "1", "--preset", "laptop"]
INLINE = ["--executor", "inline"]


def sweep(*arguments):
    """Call the script in this process; returns its exit code."""
    return command.main("nas360", nas360.__doc__, nas360.PRESETS, [str(a) for a in arguments])


def told(capsys):
    """The one line on the error stream."""
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith("nas360: ")
    return line
