"""Sweep PaRe over the ten tasks of NAS-Bench-360.

`pare nas360` is the same, and `--help` explains it. For a sweep of your own, copy this file and change the
presets: their tasks, trials and seeds are in pare/commands/nas360.py.
"""

import sys

from pare.commands import nas360
from pare.search.command import main

PRESETS = nas360.PRESETS

if __name__ == "__main__":
    sys.exit(main("nas360", nas360.__doc__, PRESETS))
