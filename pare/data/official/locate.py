"""Find official files in a folder, an archive, an object store or on the web, and copy them to the data root."""

import hashlib
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
from pyarrow import fs

from pare import bucket
from pare.data.official import archives
from pare.data.official.download import download, probe, shown
from pare.data.task import Download, ProgressCallback, Task
from pare.errors import RequestError

_BLOCK = 2**20

Opened = Callable[[], AbstractContextManager[IO[bytes]]]


class Found(NamedTuple):
    """An official file at its source: its size (-1: unknown) and a function that copies it and returns its SHA-256."""

    size: int
    write: Callable[[Path, ProgressCallback], str]


Source = Callable[[Task, str], Found | None]
"""Function that looks up a task's file by name; None if it is not there."""


class Copy(NamedTuple):
    """The result of copying a file; `sha256` is None if a file of the same size was there already."""

    path: Path
    size: int
    sha256: str | None


@contextmanager
def source(place: str) -> Iterator[Source]:
    """Open a folder, local or by a URL such as `s3://bucket/prefix`, an official file, or a local tar or zip of them.

    In a folder, a file is looked up in the subfolder of its task, then in the folder itself; in a tar or zip, by name.

    Raises:
        RequestError: there is no such place, or it cannot be reached or read.
    """
    try:
        if place.startswith(("http://", "https://")):
            yield partial(_of_web, place)
            return
        if "://" in place:
            filesystem, path = bucket.opened(place)
        else:
            filesystem, path = fs.LocalFileSystem(), str(Path(place).expanduser().resolve())
        kind = filesystem.get_file_info(path).type
        if kind == fs.FileType.NotFound:
            raise FileNotFoundError("no such file or folder")
        if kind == fs.FileType.File and isinstance(filesystem, fs.LocalFileSystem):
            with _bundle(Path(path)) as members:
                yield lambda task, name: _of_file(filesystem, path, name) or members(task, name)
        else:
            yield partial(of_folder, filesystem, path)
    except (OSError, EOFError, pa.ArrowException, tarfile.TarError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        kinds = "give a folder, a tar, a zip, or an http://, https:// or s3:// URL"
        raise RequestError(f"--from is {shown(place)!r}: {reason}; {kinds}") from error


def public(chosen: Iterable[Task], root: Path) -> Source:
    """Return the source that downloads the tasks' files from their public addresses.

    Raises:
        RequestError: a missing file has no public address; says what to put where.
    """
    for task in chosen:
        raw = root / task.name / "raw"
        unknown = [n for n in task.files if n not in task.downloads and archives.find(raw, n) is None]
        if unknown:
            raise RequestError(
                f"--download knows no address of {', '.join(unknown)} of {task.name}: get it from {task.homepage} "
                f"and put it into {raw}, or give --from"
            )
    return _of_public


def _of_public(task: Task, name: str) -> Found | None:
    what = task.downloads.get(name)
    return Found(what.size or -1, partial(download, what)) if what else None


def bring(task: Task, found: Source, raw: Path, progress: ProgressCallback) -> list[Copy]:
    """Copy a task's official files to `raw`, each whole or not at all; skip those of the same size.

    Raises:
        RequestError: neither the source nor `raw` has one of the files.
    """
    there = {name: archives.find(raw, name) for name in task.files}
    unpacked = [name for name, path in there.items() if path and path.is_dir()]
    files = {name: found(task, name) for name in task.files if name not in unpacked}
    missing = [name for name, file in files.items() if file is None and there[name] is None]
    if missing:
        raise RequestError(f"--from lacks {', '.join(missing)} of {task.name}: get it from {task.homepage}")
    raw.mkdir(parents=True, exist_ok=True)
    return [_copy(file, raw / name, progress) for name, file in files.items() if file]


def _copy(file: Found, target: Path, progress: ProgressCallback) -> Copy:
    if target.is_file() and file.size in (-1, target.stat().st_size):
        return Copy(target, target.stat().st_size, None)
    digest = file.write(target, progress)
    return Copy(target, target.stat().st_size, digest)


def _stream(size: int, opened: Opened) -> Found:
    """Return a `Found` that copies its file from a stream."""

    def write(target: Path, progress: ProgressCallback) -> str:
        half = target.with_name(f".{target.name}.{os.getpid()}.partial")
        digest, done = hashlib.sha256(), 0
        try:
            with opened() as reader, half.open("wb") as writer:
                while block := reader.read(_BLOCK):
                    digest.update(block)
                    writer.write(block)
                    done += len(block)
                    progress(done, size)
            if done != size:
                raise OSError(f"{target.name} ended after {done} of {size} bytes")
            half.replace(target)
        finally:
            half.unlink(missing_ok=True)
        return digest.hexdigest()

    return Found(size, write)


def _of_web(place: str, task: Task, name: str) -> Found | None:
    parts = urlsplit(place)
    folder = parts.path.rstrip("/")
    own = [parts.path] if _name(parts.path) == name else [f"{folder}/{task.name}/{name}", f"{folder}/{name}"]
    for path in own:
        url = urlunsplit(parts._replace(path=path))  # with the query, which may be a signature for the whole folder
        if size := probe(url):
            digest = task.downloads[name].digest if name in task.downloads else ""
            return Found(size, partial(download, Download(url, digest)))
    return None


def of_folder(filesystem: Any, path: str, task: Task, name: str) -> Found | None:
    """Find a task's file in the subfolder of the task, or in the folder itself."""
    for candidate in (f"{path}/{task.name}/{name}", f"{path}/{name}"):
        if found := _of_file(filesystem, candidate, name):
            return found
    return None


def _of_file(filesystem: Any, path: str, name: str) -> Found | None:
    info = filesystem.get_file_info(path)
    if info.type != fs.FileType.File or info.base_name != name:
        return None
    # Without this, pyarrow would decompress a file by its suffix.
    return _stream(info.size, lambda: filesystem.open_input_stream(path, compression=None))


@contextmanager
def _bundle(path: Path) -> Iterator[Source]:
    """Look up members of a tar, compressed or not, or of a zip."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            entries = {_name(entry.filename): entry for entry in archive.infolist()}
            yield (
                lambda _, name: (
                    _stream(entries[name].file_size, lambda: archive.open(entries[name])) if name in entries else None
                )
            )
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            members = {_name(member.name): member for member in tar if member.isfile()}
            yield (
                lambda _, name: (
                    _stream(members[name].size, lambda: _opened(tar, members[name])) if name in members else None
                )
            )
    else:
        yield lambda *_: None


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> AbstractContextManager[IO[bytes]]:
    file = tar.extractfile(member)
    assert file is not None  # noqa: S101 - None only if the member is not a file
    return file
