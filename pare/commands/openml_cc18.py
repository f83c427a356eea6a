"""Sweep PaRe over tables of OpenML-CC18: the thirty that TabPFN, ORCA and PaRe are compared on.

pare openml-cc18
    laptop: small bodies; the three tables that are real without a file (wdbc, tic-tac-toe, balance-scale); 2 cores,
    4 minutes.
pare openml-cc18 --preset paper --download
    paper: RoBERTa-B, all thirty; OpenML's files (.pq or .arff) lie in DATA_ROOT/<task>/raw, --download gets them.

The metric is the area under the ROC, one class against one, on a tenth of the rows. Gradient boosting from scikit-learn
(`HistGradientBoostingClassifier`), on the same rows, stands beside every result: wdbc 0.991, tic-tac-toe 1.000,
balance-scale 0.892.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

from cyclopts import Parameter

from pare.data.official.download import download
from pare.errors import RequestError
from pare.search import command
from pare.search.request import Preset, PresetName, Request
from pare.tasks.openml import tables

PRESETS: dict[PresetName, Preset] = {
    "laptop": Preset(tasks=tables.OFFLINE, trials=6, seeds=2),
    "paper": Preset(tasks=tuple(tables.TABLES), trials=40, seeds=3),
}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OpenMLTables(Request):
    """A request for tables of OpenML, without --tasks all for --preset paper, else what needs no file; see `--help`."""

    download: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Get the files that are missing from OpenML."""

    def ready(self) -> Self:
        """Make the tasks, each of its file, after getting what is missing where that is asked for."""
        names = self.tasks or PRESETS["paper" if self.preset == "paper" else "laptop"].tasks
        for name in names:
            if name not in tables.TABLES:
                raise RequestError(f"--tasks is {name!r}: choose from {', '.join(tables.TABLES)}")
        missing = tables.lacking(self.root, names)
        if missing and not self.download:
            raise RequestError(
                f"{len(missing)} of {len(names)} files are missing: put {missing[0].files[0]} from "
                f"{missing[0].download.url} into {self.root / missing[0].name / 'raw'}, the others likewise, or give "
                "--download"
            )
        for table in missing:
            print(f"getting {table.download.url}")
            download(table.download, self.root / table.name / "raw" / table.files[0], lambda *_: None)
        for name in names:
            tables.bring(self.root, name)
        return replace(self, tasks=names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweep of a command line; return its exit code."""
    return command.main("openml_cc18", __doc__, PRESETS, arguments, OpenMLTables)
