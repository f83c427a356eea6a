"""Read official files alike from a zip, a tar or the folder that it was unpacked to."""

import hashlib
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pare.errors import DataError

_SUFFIXES = (".zip", ".tar")
_SAMPLES, _BLOCK = 16, 2**16

Contents = tuple[list[str], Callable[[str], bytes]]
"""Paths of an archive's files, and a function that reads one."""


def find(folder: Path, name: str) -> Path | None:
    """Find the official file `name` in `folder`; for an archive, also the folder of that name without the suffix."""
    path = folder / name
    if path.is_file():
        return path
    return path.with_suffix("") if path.suffix in _SUFFIXES and path.with_suffix("").is_dir() else None


def fingerprint(path: Path) -> str:
    """Hash an official file, or the folder that it was unpacked to, independent of its path.

    The hash covers a file's size and 16 evenly spaced blocks of 64 KiB, including its ends; of a folder, the paths and
    16 of its files in this way. It detects every change of a zip or gzip, which end with checksums; in other files it
    misses changes between the blocks that keep the size.
    """
    if path.is_dir():
        digest = hashlib.sha256()
        names = sorted(_folder(path)[0])
        digest.update("\0".join(names).encode())
        for place in _evenly(len(names) - 1):
            digest.update(fingerprint(path / names[place]).encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        return sampled(file, path.stat().st_size)


def sampled(file: IO[bytes], size: int) -> str:
    """Return the fingerprint of an open file of `size` bytes."""
    digest = hashlib.sha256(str(size).encode())
    for place in _evenly(max(0, size - _BLOCK)):
        file.seek(place)
        digest.update(file.read(_BLOCK))
    return digest.hexdigest()


def _evenly(last: int) -> list[int]:
    """Return up to `_SAMPLES` evenly spaced integers from 0 to `last`."""
    return sorted({last * number // (_SAMPLES - 1) for number in range(_SAMPLES)}) if last >= 0 else []


class Archive:
    """The files in a zip, in a plain tar or below a folder, by their paths; threads may read it together.

    `landmark` is the beginning of a path that must exist, such as `chunks/`. `names` are relative to its parent, since
    archives and unpacked folders differ in the folders above it.

    Raises:
        DataError: the archive is missing or damaged, or does not hold `landmark`.
    """

    def __init__(self, folder: Path, name: str, landmark: str) -> None:
        self.path = find(folder, name) or folder / name
        with self.as_data_error(self.path):
            opener = _folder if self.path.is_dir() else _tar if self.path.suffix == ".tar" else _zip
            names, self._read = opener(self.path)
        above = [f"/{each}".find(f"/{landmark}") for each in names]
        tops = {each[:cut] for each, cut in zip(names, above, strict=True) if cut >= 0}
        if not tops:
            raise DataError(f"{self.path} holds no {landmark}: it is not the official {name}")
        self._top = min(tops, key=len)
        self.names = sorted(each.removeprefix(self._top) for each in names if each.startswith(self._top))

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            DataError: there is none, or it is damaged.
        """
        with self.as_data_error(self.path / name):
            return self._read(self._top + name)

    @contextmanager
    def as_data_error(self, path: Path) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a damaged archive may raise any exception
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise DataError(f"{path} cannot be read ({reason})") from error


def _folder(path: Path) -> Contents:
    names = [(Path(folder) / file).relative_to(path).as_posix() for folder, _, files in os.walk(path) for file in files]
    return names, lambda name: (path / name).read_bytes()


def _zip(path: Path) -> Contents:
    archive = zipfile.ZipFile(path)
    return [name for name in archive.namelist() if not name.endswith("/")], archive.read


def _tar(path: Path) -> Contents:
    """Read members by offset, because threads share the position of a TarFile."""
    with tarfile.open(path, "r:") as archive:
        places = {member.name: (member.offset_data, member.size) for member in archive if member.isfile()}

    def read(name: str) -> bytes:
        offset, size = places[name]
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    return list(places), read
