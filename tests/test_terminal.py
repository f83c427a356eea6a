import subprocess
import sys

import pytest

_PRINT = """
from rich.console import Console
from pare.terminal import print_anywhere
print_anywhere()
Console().print("−0.008 ± 0.026 → ρ 你")
print("R²: 1 − 0.5")
"""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_without_our_characters_gets_their_nearest(encoding):
    environment = {"PYTHONIOENCODING": encoding, "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", _PRINT], env=environment, capture_output=True, check=True)
    said = done.stdout.decode(encoding)
    assert said.startswith("-0.008")
    assert "1 - 0.5" in said
    assert "?" in said


def test_a_terminal_that_has_them_gets_ours():
    environment = {"PYTHONIOENCODING": "utf-8", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", _PRINT], env=environment, capture_output=True, check=True)
    assert done.stdout.decode() == "−0.008 ± 0.026 → ρ 你\nR²: 1 − 0.5\n"
