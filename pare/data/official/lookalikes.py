"""Find misplaced or misnamed official files, to tell the user before other data is used instead."""

from __future__ import annotations

import re
import shlex
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pare.data.official import archives

_PACKED = (".gz", ".bz2", ".xz", ".zip", ".tar", ".tgz")
_SUFFIXES = (*_PACKED, ".h5", ".hdf5", ".hdf", ".mat", ".npy", ".npz", ".pkl", ".pickle", ".arff", ".pq", ".parquet")
_BROKEN_OFF = re.compile(r"^\.?(?P<name>.+?)(\.[0-9a-f]{12})?\.(part|crdownload|download)$")
_GENERIC = {"train.txt", "test.txt", "tokenizer.json"}
"""Generic names, which identify a file only in its task's folder."""

_DEPTH = 5
"""Depth of nested folders that are searched."""

_MADE = ("prepared-", "simulated-", "generated-", "specification-", "data.npz", ".")
"""Prefixes of files and folders that are not the user's."""


def find(root: Path, task: str, files: Sequence[str]) -> str | None:
    """Describe a file below `root` that looks like one of a task's official files, and the remedy; None without one.

    The file may have another suffix or case, be in another folder, packed or unpacked, or partly downloaded.
    """
    raw = root / task / "raw"
    read = {archives.find(raw, name) for name in files}
    wanted = {_stem(name): name for name in files if archives.find(raw, name) is None}
    for path in _candidates(root, task):
        if path in read or read & set(path.parents):
            continue
        broken_off = _BROKEN_OFF.match(path.name)
        name = wanted.get(_stem(broken_off["name"] if broken_off else path.name))
        own = path.is_relative_to(root / task)
        if name and (own or name not in _GENERIC):
            return f"{path} looks like {name}, which is read as {raw / name} only: {_remedy(path, raw / name, task)}"
        if inside := _holds(path, [*wanted.values()]):
            return f"{path} holds {inside}: `python -m pare.tasks.prepare {task} --from {_quoted(path)}` takes it"
        if path.parent == raw and path.is_file() and not path.name.startswith("."):
            return f"{path} is none of the official files ({', '.join(files)}): give it that name, or move it away"
    return None


def _candidates(root: Path, task: str) -> Iterator[Path]:
    """Yield the files and folders in the task's folder, in the root, and in folders of similar names."""
    folders = [path for path in _listed(root) if path.is_dir()]
    own = [path for path in folders if _plain(path.name) == _plain(task)]
    for folder in own:
        yield from _below(folder, _DEPTH)
    for path in _listed(root):
        if path not in own:
            yield path
    for folder in folders:
        if folder not in own:
            yield from _listed(folder / "raw")


def _below(folder: Path, depth: int) -> Iterator[Path]:
    for path in _listed(folder):
        yield path
        if depth > 1 and path.is_dir():
            yield from _below(path, depth - 1)


def _listed(folder: Path) -> list[Path]:
    """List the user's files and folders in a folder; of hidden ones, only partial downloads."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in paths if not path.name.startswith(_MADE) or _BROKEN_OFF.match(path.name)]


def _stem(name: str) -> str:
    name = re.sub(r" ?\(\d+\)(?=\.|$)", "", name.casefold())  # browsers number copies like this
    while (suffix := Path(name).suffix) in _SUFFIXES:
        name = name.removesuffix(suffix)
    return _plain(name)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())


def _holds(path: Path, files: Sequence[str]) -> str | None:
    """Return the first official file that a zip holds."""
    if path.suffix.lower() != ".zip" or not path.is_file() or not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile):
        return None
    return next((name for name in files if name in names and name not in _GENERIC), None)


def _remedy(path: Path, target: Path, task: str) -> str:
    here, there = _quoted(path), _quoted(target)
    suffix, packed = path.suffix.lower(), target.suffix.lower() in _PACKED
    make = "" if target.parent.is_dir() else f"mkdir -p {_quoted(target.parent)} && "
    if _BROKEN_OFF.match(path.name):
        return f"it came in part only, `python -m pare.tasks.prepare {task} --download` goes on, or remove it"
    if path.is_dir() and packed:
        if target.suffix in (".zip", ".tar"):
            return f"`{make}mv {here} {_quoted(target.with_suffix(''))}`"
        return f"`{make}tar -czf {there} -C {_quoted(path.parent)} {_quoted(Path(path.name))}` packs it again"
    if path.is_dir():
        return f"move the file that it holds: `{make}mv {here}/FILE {there}`"
    if suffix in _PACKED and suffix != target.suffix.lower():
        unpack = {".gz": f"gunzip -c {here}", ".bz2": f"bunzip2 -c {here}", ".xz": f"xz -dc {here}"}
        if ".tar" not in path.suffixes and suffix in unpack:
            return f"`{make}{unpack[suffix]} > {there}`"
        return f"`python -m pare.tasks.prepare {task} --from {here}` takes what it holds"
    other = path.parent.name == "raw" and path.parent != target.parent
    return f"`{make}{'cp' if other else 'mv'} {here} {there}`"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
