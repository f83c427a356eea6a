"""Sweep PaRe over the ten tasks of NAS-Bench-360.

pare nas360
    laptop: small bodies, Darcy flow generated, ECG simulated; 2 cores, under 10 minutes.
pare nas360 --preset paper --tasks darcy
    paper: Swin-B and RoBERTa-B on the official files below --data-root, sources included; by default all ten tasks.

Every sweep ends with a leaderboard: PaRe beside naive fine-tuning and the constant prediction, the test split opened
once, for the configurations chosen on validation.
"""

from collections.abc import Sequence

from pare.search import command
from pare.search.request import Preset, PresetName

TASKS = (
    "cifar100",
    "spherical",
    "ninapro",
    "fsd50k",
    "darcy",
    "psicov",
    "cosmic",
    "ecg",
    "satellite",
    "deepsea",
)
PRESETS: dict[PresetName, Preset] = {
    "laptop": Preset(tasks=("darcy", "ecg"), trials=8, seeds=2),
    "paper": Preset(tasks=TASKS, trials=40, seeds=3),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweep of a command line; return its exit code."""
    return command.main("nas360", __doc__, PRESETS, arguments)
