"""Sweep PaRe over time series of the UCR archive: 128 sets, real, each with its official split.

`pare ucr` is the same, and `--help` explains it. For a sweep of your own, copy this file and change the presets: their
tasks, trials and seeds are in pare/commands/ucr.py.
"""

import sys

from pare.commands import ucr
from pare.search.command import main

PRESETS = ucr.PRESETS

if __name__ == "__main__":
    sys.exit(main("ucr", ucr.__doc__, PRESETS, kind=ucr.ArchiveSets))
