"""Sweep PaRe over the eight tasks of PDEBench, posed as ORCA and PaRe pose them: the first frame in, a late one out.

`pare pdebench` is the same, and `--help` explains it. For a sweep of your own, copy this file and change the
presets: their tasks, trials and seeds are in pare/commands/pdebench.py.
"""

import sys

from pare.commands import pdebench
from pare.search.command import main

PRESETS = pdebench.PRESETS

if __name__ == "__main__":
    sys.exit(main("pdebench", pdebench.__doc__, PRESETS))
