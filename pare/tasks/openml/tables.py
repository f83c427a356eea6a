"""The thirty tables of OpenML-CC18 on which TabPFN, ORCA and PaRe are compared: at most 2,000 rows, 10 classes.

Each is a task like the user's own (`pare.tasks.own.task`), because only its file tells the content of its columns. Test
and validation get a tenth each, drawn by class with a fixed seed, keeping equal rows together; ORCA drew its tenth anew
in every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pare.data.official import lookalikes
from pare.data.task import Download
from pare.errors import DataError
from pare.tasks.openml import builtin, readers
from pare.tasks.own.baselines import BOOSTING
from pare.tasks.own.importer import settle
from pare.tasks.own.samples import Samples
from pare.tasks.own.task import OwnTask

_SHARE = 0.1


@dataclass(frozen=True)
class Table:
    """A data set of OpenML: its number, its name there, the column to predict, and the counts of a complete file."""

    number: int
    title: str
    target: str
    rows: int
    classes: int
    ignored: tuple[str, ...] = ()
    """Columns that OpenML does not count as features."""

    @property
    def name(self) -> str:
        """Name of the task."""
        return f"openml-{self.title.lower()}"

    @property
    def files(self) -> tuple[str, ...]:
        """Past and present names of OpenML's file, of which one is enough."""
        return (f"dataset_{self.number}.pq", f"dataset_{self.number}.arff", f"dataset_{self.number}_{self.title}.arff")

    @property
    def download(self) -> Download:
        """Public address of the file; OpenML gives no checksum."""
        place = f"{self.number // 10_000:04d}/{self.number % 10_000:04d}/{self.files[0]}"
        return Download(f"https://data.openml.org/datasets/{place}")


_TABLES = (
    Table(11, "balance-scale", "class", 625, 3),
    Table(14, "mfeat-fourier", "class", 2000, 10),
    Table(15, "breast-w", "Class", 699, 2),
    Table(16, "mfeat-karhunen", "class", 2000, 10),
    Table(18, "mfeat-morphological", "class", 2000, 10),
    Table(22, "mfeat-zernike", "class", 2000, 10),
    Table(23, "cmc", "Contraceptive_method_used", 1473, 3),
    Table(29, "credit-approval", "class", 690, 2),
    Table(31, "credit-g", "class", 1000, 2),
    Table(37, "diabetes", "class", 768, 2),
    Table(50, "tic-tac-toe", "Class", 958, 2),
    Table(54, "vehicle", "Class", 846, 4),
    Table(188, "eucalyptus", "Utility", 736, 5),
    Table(458, "analcatdata_authorship", "Author", 841, 4),
    Table(469, "analcatdata_dmft", "Prevention", 797, 6),
    Table(1049, "pc4", "c", 1458, 2),
    Table(1050, "pc3", "c", 1563, 2),
    Table(1063, "kc2", "problems", 522, 2),
    Table(1068, "pc1", "defects", 1109, 2),
    Table(1462, "banknote-authentication", "Class", 1372, 2),
    Table(1464, "blood-transfusion-service-center", "Class", 748, 2),
    Table(1480, "ilpd", "Class", 583, 2),
    Table(1494, "qsar-biodeg", "Class", 1055, 2),
    Table(1510, "wdbc", "Class", 569, 2),
    Table(6332, "cylinder-bands", "band_type", 540, 2),
    Table(23381, "dresses-sales", "Class", 500, 2),
    Table(40966, "MiceProtein", "class", 1080, 8, ("MouseID", "Genotype", "Treatment", "Behavior")),
    Table(40975, "car", "class", 1728, 4),
    Table(40982, "steel-plates-fault", "target", 1941, 7),
    Table(40994, "climate-model-simulation-crashes", "outcome", 540, 2),
)
TABLES: Mapping[str, Table] = {table.name: table for table in _TABLES}
"""All thirty tables by task name."""

OFFLINE = tuple(name for name, table in TABLES.items() if table.title in builtin.MADE)
"""Tasks whose real data needs no file: scikit-learn ships it, or its rules generate it."""


def lacking(root: Path, names: tuple[str, ...]) -> list[Table]:
    """Return the tables that need a file in `root/<task>/raw` and do not have it."""
    return [TABLES[name] for name in names if _find(root, TABLES[name]) is None and name not in OFFLINE]


def bring(root: Path, name: str) -> OwnTask:
    """Make the task `name` from OpenML's file in `root/<name>/raw`, or built-in data, and save it in `root/<name>`.

    Raises:
        DataError: there is no file, or it is not the official one; names it.
    """
    table = TABLES[name]
    path = _find(root, table)
    if path:
        frame = readers.read(path)
    elif name in OFFLINE:
        path, frame = Path(table.title), builtin.MADE[table.title]()
    else:
        folder = root / name / "raw"
        raise DataError(f"{name} needs {table.files[0]} in {folder}: get it from {table.download.url}")
    x, y = _divided(path, table, frame)
    return settle(
        root,
        name,
        path,
        Samples(x, y),
        kind="classification",
        metric="auroc-ovo",
        gaps=True,
        share=_SHARE,
        baseline=BOOSTING,
        title=f"{table.title} (OpenML {table.number})",
    )


def _find(root: Path, table: Table) -> Path | None:
    """Return the table's file, if it is there.

    Raises:
        DataError: it is not there, but a file that looks like it is.
    """
    paths = (root / table.name / "raw" / name for name in table.files)
    found = next((path for path in paths if path.is_file()), None)
    if found is None and (near := lookalikes.find(root, table.name, table.files)):
        raise DataError(f"{table.name}: {near}")
    return found


def _divided(path: Path, table: Table, frame: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Split a frame into features and classes (n,), without the rows that have no class."""
    named = [column for column in frame.columns if str(column).lower() == table.target.lower()]
    target = named[0] if named else frame.columns[-1]
    frame = frame[frame[target].notna()].reset_index(drop=True)
    y = frame[target].astype(object).map(str).to_numpy()
    found = len(frame), len(set(y))
    if found != (table.rows, table.classes):
        raise DataError(
            f"{path}: {target!r} has {found[1]} classes in {found[0]} rows, {table.title} has {table.classes} in "
            f"{table.rows}: get the file anew from {table.download.url}"
        )
    return frame.drop(columns=[target, *(column for column in table.ignored if column in frame)]), y
