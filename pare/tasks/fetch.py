"""Official files brought to where they are prepared: from a folder, a bundle of several tasks, or an object store."""

import hashlib
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
from pyarrow import fs

from pare.errors import RequestError
from pare.tasks.task import Progress, Task

_BLOCK = 2**20


class Found(NamedTuple):
    """An official file at its source: bytes, and how to open it."""

    size: int
    opened: Callable[[], AbstractContextManager[IO[bytes]]]


Source = Callable[[str, str], Found | None]
"""Where (task, file name) lies, if it does."""


class Copy(NamedTuple):
    """What became of a file; `sha256` is None where it was there already, by its size."""

    path: Path
    size: int
    sha256: str | None


@contextmanager
def source(place: str) -> Iterator[Source]:
    """Open a folder, local or by a URL such as `s3://bucket/prefix`, an official file, or a local tar or zip of some.

    In a folder, files are looked for in the one called like their task, then in the folder itself; in a bundle by name.

    Raises:
        RequestError: there is no such place, or it cannot be reached or read.
    """
    try:
        if "://" in place:
            filesystem, path = fs.FileSystem.from_uri(place)
        else:
            filesystem, path = fs.LocalFileSystem(), str(Path(place).expanduser().resolve())
        kind = filesystem.get_file_info(path).type
        if kind == fs.FileType.NotFound:
            raise FileNotFoundError("no such file or folder")
        if kind == fs.FileType.File and isinstance(filesystem, fs.LocalFileSystem):
            with _bundle(Path(path)) as members:
                yield lambda task, name: _of_file(filesystem, path, name) or members(task, name)
        else:
            yield lambda task, name: _of_folder(filesystem, path, task, name)
    except (OSError, EOFError, pa.ArrowException, tarfile.TarError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise RequestError(f"--from is {place!r}: {reason}; give a folder, a tar, a zip, or an s3:// URL") from error


def bring(task: Task, found: Source, raw: Path, progress: Progress) -> list[Copy]:
    """Copy a task's official files to `raw`, each whole or not at all; those of the same size are left as they are.

    Raises:
        RequestError: the source lacks one.
    """
    files = {name: found(task.name, name) for name in task.files}
    missing = [name for name, file in files.items() if file is None]
    if missing:
        raise RequestError(f"--from lacks {', '.join(missing)} of {task.name}: get it from {task.where}")
    raw.mkdir(parents=True, exist_ok=True)
    return [_copy(file, raw / name, progress) for name, file in files.items() if file]


def _copy(file: Found, target: Path, progress: Progress) -> Copy:
    if target.is_file() and target.stat().st_size == file.size:
        return Copy(target, file.size, None)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    digest, done = hashlib.sha256(), 0
    try:
        with file.opened() as reader, partial.open("wb") as writer:
            while block := reader.read(_BLOCK):
                digest.update(block)
                writer.write(block)
                done += len(block)
                progress(done, file.size)
        if done != file.size:
            raise OSError(f"{target.name} ended after {done} of {file.size} bytes")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return Copy(target, done, digest.hexdigest())


def _of_folder(filesystem: Any, path: str, task: str, name: str) -> Found | None:
    for candidate in (f"{path}/{task}/{name}", f"{path}/{name}"):
        if found := _of_file(filesystem, candidate, name):
            return found
    return None


def _of_file(filesystem: Any, path: str, name: str) -> Found | None:
    info = filesystem.get_file_info(path)
    if info.type != fs.FileType.File or info.base_name != name:
        return None
    # What is packed stays packed, though pyarrow would unpack it by its name.
    return Found(info.size, lambda: filesystem.open_input_stream(path, compression=None))


@contextmanager
def _bundle(path: Path) -> Iterator[Source]:
    """The members of a tar, packed or not, or of a zip."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            entries = {_name(entry.filename): entry for entry in archive.infolist()}
            yield (
                lambda _, name: (
                    Found(entries[name].file_size, lambda: archive.open(entries[name])) if name in entries else None
                )
            )
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            members = {_name(member.name): member for member in tar if member.isfile()}
            yield (
                lambda _, name: (
                    Found(members[name].size, lambda: _opened(tar, members[name])) if name in members else None
                )
            )
    else:
        yield lambda *_: None


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> AbstractContextManager[IO[bytes]]:
    file = tar.extractfile(member)
    assert file is not None  # noqa: S101 - only of what is no file
    return file
