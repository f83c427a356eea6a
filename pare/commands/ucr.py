"""Sweep PaRe over time series of the UCR archive: 128 sets, real, each with its official split.

pare ucr --download
    laptop: small bodies; six sets of different kinds (ucr-crop, ucr-ecg5000, ucr-eogverticalsignal, ucr-cricketx,
    ucr-electricdevices, ucr-earthquakes). Their files lie in the data root in the archive's own layout, as
    DATA_ROOT/ucr/Crop/Crop_TRAIN.tsv or .ts, unpacked or zipped; --download gets those that are missing. --plan
    estimates how long it takes.
pare ucr --tasks ECG200 Coffee --body sentence-transformers/all-MiniLM-L6-v2
    sets by the archive's name, or all; a real language model.

The metric is the error on the official test file, beside it macro-F1; validation is a fifth of the official training
file. The nearest neighbour and MiniRocket stand beside every result, on the same series, and the nearest neighbour on
the whole official training file, whose error is the published one (docs/ucr.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

from cyclopts import Parameter

from pare.errors import RequestError
from pare.search import command
from pare.search.request import Preset, PresetName, Request
from pare.tasks.ucr import files
from pare.tasks.ucr.sets import ALL, SETS, named

SIX = ("ucr-crop", "ucr-ecg5000", "ucr-eogverticalsignal", "ucr-cricketx", "ucr-electricdevices", "ucr-earthquakes")
"""An image's pixels over time, a heart, eyes, a motion, devices and a sensor; from 257 to 7,140 training series."""

PRESETS: dict[PresetName, Preset] = {
    "laptop": Preset(tasks=SIX, trials=4, seeds=2),
    "paper": Preset(tasks=SIX, trials=40, seeds=3),
}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ArchiveSets(Request):
    """A request for sets of the archive, by the task's or the archive's name, or all; see `--help`."""

    download: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Get the sets that are missing, each from its public address."""

    def ready(self) -> Self:
        """Lay the sets' files where their tasks read them, after getting what is missing where that is asked for."""
        chosen = tuple(SETS) if self.tasks == (ALL,) else self.tasks or PRESETS["laptop"].tasks
        names = tuple(dict.fromkeys(named(name).name for name in chosen))
        missing = [SETS[name] for name in names if not files.bring(self.root, SETS[name])]
        if missing and not self.download:
            first = missing[0]
            raise RequestError(
                f"{len(missing)} of {len(names)} sets are missing: put {' and '.join(first.files)}, or their .ts, into "
                f"{self.root / files.FOLDERS[0] / first.title}, the others likewise, or give --download"
            )
        for each in missing:
            print(f"getting {each.download.url}")
            files.get(self.root, each, lambda *_: None)
        return replace(self, tasks=names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweep of a command line; return its exit code."""
    return command.main("ucr", __doc__, PRESETS, arguments, ArchiveSets)
