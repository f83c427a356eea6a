"""Sweep PaRe over data of your own: a .npz with x and y, x.npy and y.npy, a table, or a folder of images per class.

`pare own` is the same, and `--help` explains it. For a sweep of your own, copy this file and change the
presets: their tasks, trials and seeds are in pare/commands/own.py.
"""

import sys

from pare.commands import own
from pare.search.command import main

PRESETS = own.PRESETS

if __name__ == "__main__":
    sys.exit(main("own", own.__doc__, PRESETS, kind=own.Own))
