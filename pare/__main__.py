"""`python -m pare` is the command `pare`."""

import sys

from pare.commands import main

if __name__ == "__main__":
    sys.exit(main())
