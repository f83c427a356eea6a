"""Sweep PaRe over tables of OpenML-CC18: the thirty that TabPFN, ORCA and PaRe are compared on.

`pare openml-cc18` is the same, and `--help` explains it. For a sweep of your own, copy this file and change the
presets: their tasks, trials and seeds are in pare/commands/openml_cc18.py.
"""

import sys

from pare.commands import openml_cc18
from pare.search.command import main

PRESETS = openml_cc18.PRESETS

if __name__ == "__main__":
    sys.exit(main("openml_cc18", openml_cc18.__doc__, PRESETS, kind=openml_cc18.OpenMLTables))
