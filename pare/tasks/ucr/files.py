"""Find a set's files below the data root, in folders or a zip, or get them, and lay them where its task reads them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pare import files
from pare.data.official.download import download
from pare.data.task import ProgressCallback
from pare.errors import DataError
from pare.tasks.ucr import readers
from pare.tasks.ucr.sets import SeriesSet

FOLDERS = ("ucr", "UCRArchive_2018", "Univariate_ts", "")
"""Folders below the data root that may hold the archive, unpacked or zipped; the last is the data root itself."""

ARCHIVES = ("UCRArchive_2018.zip", "Univariate2018_ts.zip")
"""Names under which the whole archive is distributed."""

_FORMS = (".tsv", ".ts")

Members = Mapping[str, Callable[[], bytes]]
"""What reads each file of a place, by its name without folders."""


def bring(root: Path, of: SeriesSet) -> bool:
    """Lay a set's TSV files into `root/<task>/raw`, if they are not there; return whether they are now.

    They may lie in a folder called as the set, or in a zip, in one of `FOLDERS`, in either form.

    Raises:
        DataError: what is there is damaged; names it.
    """
    raw = root / of.name / "raw"
    if all((raw / name).is_file() for name in of.files):
        return True
    for place in _places(root, of):
        if contents := _found(place, of):
            raw.mkdir(parents=True, exist_ok=True)
            for name, content in zip(of.files, contents, strict=True):
                with files.atomic(raw / name) as half:
                    half.write_bytes(content)
            return True
    return False


def get(root: Path, of: SeriesSet, progress: ProgressCallback) -> None:
    """Download a set's zip to `root/<task>` and bring what it holds.

    Raises:
        RequestError: it cannot be had.
        DataError: it does not hold the set.
    """
    target = root / of.name / f"{of.title}.zip"
    download(of.download, target, progress)
    if not bring(root, of):
        raise DataError(f"{target} holds no {of.files[0]} or .ts beside {of.files[1]}: get them elsewhere")


def _found(place: Path, of: SeriesSet) -> list[bytes]:
    """Return both files of a set as TSV; empty where a place has neither form of both."""
    with _opened(place, of) as members:
        for form in _FORMS:
            names = [f"{Path(name).stem}{form}" for name in of.files]
            if all(name in members for name in names):
                contents = [members[name]() for name in names]
                return contents if form == ".tsv" else readers.as_tsv(contents, of)
    return []


def _places(root: Path, of: SeriesSet) -> Iterator[Path]:
    """Yield the folders and zips that may hold a set, its own first."""
    own = root / of.name
    yield from (own / "raw", own, own / "raw" / f"{of.title}.zip", own / f"{of.title}.zip")
    for folder in FOLDERS:
        yield from (root / folder / of.title, root / folder / f"{of.title}.zip")
    yield from (root / folder / name for folder in FOLDERS for name in ARCHIVES)


@contextmanager
def _opened(place: Path, of: SeriesSet) -> Iterator[Members]:
    """Open a folder or zip; one that is not there holds nothing."""
    if place.is_dir():
        yield {path.name: path.read_bytes for path in place.glob(f"{of.title}_T*") if path.is_file()}
    elif place.suffix == ".zip" and place.is_file():
        try:
            with zipfile.ZipFile(place) as archive:
                names = {name.rpartition("/")[2]: name for name in archive.namelist()}
                yield {name: _reader(archive, path) for name, path in names.items() if name.startswith(of.title)}
        except DataError:
            raise
        except Exception as error:  # a damaged or encrypted one may raise any exception
            reason = " ".join(str(error).split())
            raise DataError(f"{place} cannot be read ({reason}): unpack it, or get it anew") from error
    else:
        yield {}


def _reader(archive: zipfile.ZipFile, path: str) -> Callable[[], bytes]:
    return lambda: archive.read(path)
