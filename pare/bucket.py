"""Folders in an object store, addressed by URLs such as `s3://bucket/run`: a thin layer over `pyarrow.fs`.

An uploaded object and a downloaded file appear whole or not at all. Credentials, region and endpoint come from where
the store's own tools look for them: the machine's role, `~/.aws`, `AWS_ENDPOINT_URL`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from pare import files
from pare.errors import RequestError

_AT_ONCE = 8
_BLOCK = 16 * 2**20
"""Bytes per request."""

_WAITS = (1.0, 5.0, 15.0)
"""Seconds before each further attempt, after pyarrow's own attempts."""

_ENVIRONMENT = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")

Result = TypeVar("Result")


def is_url(place: str) -> bool:
    """Whether `place` is a URL rather than a path."""
    return "://" in place


def environment() -> dict[str, str]:
    """Environment variables by which other processes find the same store, without secrets."""
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}


@functools.cache
def opened(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it.

    Raises:
        OSError, pyarrow.ArrowException: no file system has such URLs, or it does not answer.
    """
    filesystem, path = fs.FileSystem.from_uri(url)
    return filesystem, path.rstrip("/")


@dataclass(frozen=True)
class Folder:
    """A folder in a store: `path` below `url`. Names of files are relative to it, with slashes.

    A failing operation is repeated for some twenty seconds; then it raises OSError.
    """

    url: str
    path: str = ""

    def __truediv__(self, name: str) -> Folder:
        return Folder(self.url, f"{self.path}/{name}" if self.path else name)

    def __str__(self) -> str:
        """The URL without options, for display."""
        return self._extended(self.url.partition("?")[0])

    @property
    def uri(self) -> str:
        """The URL with options, for opening the folder."""
        base, mark, options = self.url.partition("?")
        return f"{self._extended(base)}{mark}{options}"

    @property
    def workspace(self) -> Path:
        """Local copy of the folder, below `$PARE_RUNS`, else ~/.cache/pare/runs; copies are never nested."""
        parts, base = urlsplit(str(self)), Path(os.environ.get("PARE_RUNS") or Path.home() / ".cache/pare/runs")
        return base / parts.netloc / quote(parts.path.strip("/"), safe="")

    def push(self, path: Path, name: str) -> None:
        """Copy a file into the store."""

        def copy() -> None:
            with pa.memory_map(str(path)) as source, self._create(name) as target:
                # One write, because closing the stream after an error would leave half an object.
                target.write(source.read_buffer())

        _patiently(copy)

    def push_folder(self, path: Path, name: str, last: str = "") -> None:
        """Copy a folder's files into the store; the one called `last` after all others, to mark them complete."""
        names = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
        at_once(lambda each: self.push(path / each, f"{name}/{each}"), (each for each in names if each != last))
        if last in names:
            self.push(path / last, f"{name}/{last}")

    def pull(self, name: str, path: Path) -> None:
        """Copy a file out of the store."""
        path.parent.mkdir(parents=True, exist_ok=True)
        local = fs.LocalFileSystem()
        with files.atomic(path) as temporary:
            _patiently(lambda: fs.copy_files(self._at(name), str(temporary), self._store, local, chunk_size=_BLOCK))

    def pull_folder(self, name: str, path: Path) -> None:
        """Copy a folder's files out of the store."""
        there = self / name if name else self
        at_once(lambda each: there.pull(each, path / each), there.files())

    def files(self) -> dict[str, int]:
        """Return the names of all files in the folder and their bytes; empty if the folder does not exist."""
        top = self._at()
        selector = fs.FileSelector(top, recursive=True, allow_not_found=True)
        found = _patiently(lambda: self._store.get_file_info(selector))
        return {info.path.removeprefix(f"{top}/"): info.size for info in found if info.type == fs.FileType.File}

    def holds(self, name: str) -> bool:
        """Whether the file exists."""
        return bool(self._info(name).type == fs.FileType.File)

    def age(self, name: str) -> float:
        """Age of a file in seconds: this machine's clock minus the store's time stamp."""
        return time.time() - float(self._info(name).mtime.timestamp())

    def open(self, name: str) -> Any:
        """Open a file for reading with random access; its `size()` is in bytes."""
        return self._store.open_input_file(self._at(name))

    def read(self, name: str) -> bytes | None:
        """Return a file's content, None if it does not exist."""

        def read() -> bytes:
            with self.open(name) as file:
                return bytes(file.read())

        try:
            return _patiently(read)
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file; an older one of that name is replaced."""

        def write() -> None:
            with self._create(name) as file:
                file.write(content)

        _patiently(write)

    def delete(self, names: Iterable[str]) -> None:
        """Delete files; missing ones are ignored."""

        def delete(name: str) -> None:
            with contextlib.suppress(FileNotFoundError):
                _patiently(lambda: self._store.delete_file(self._at(name)))

        at_once(delete, names)

    def delete_all(self) -> None:
        """Delete the folder with all its content."""
        with contextlib.suppress(FileNotFoundError):
            _patiently(lambda: self._store.delete_dir(self._at()))

    def move_aside(self) -> Folder:
        """Rename the folder to the first free name beside it, by copies within the store, and return that."""
        base, mark, options = self.uri.partition("?")
        besides = (Folder(f"{base}.{number}{mark}{options}") for number in itertools.count(1))
        aside = next(folder for folder in besides if not folder.files())
        _patiently(lambda: fs.copy_files(self._at(), aside._at(), self._store, self._store))
        self.delete_all()
        return aside

    def _extended(self, base: str) -> str:
        return "/".join(filter(None, (base.rstrip("/"), self.path)))

    @property
    def _store(self) -> Any:
        return opened(self.url)[0]

    def _at(self, name: str = "") -> str:
        """Return the path of a file in the store."""
        return "/".join(filter(None, (opened(self.url)[1], self.path, name)))

    def _info(self, name: str) -> Any:
        return _patiently(lambda: self._store.get_file_info(self._at(name)))

    def _create(self, name: str) -> Any:
        # Without this, pyarrow would compress a file whose name ends in .gz, say.
        return self._store.open_output_stream(self._at(name), compression=None)


def reach(url: str, option: str) -> Folder:
    """Return the folder of a URL given as an option, after checking that it is reachable and writable.

    Raises:
        RequestError: it is not, or there is no such store.
    """
    url = _normalised(url)
    parts, folder = urlsplit(url), Folder(url)
    if parts.username or parts.password:
        raise RequestError(f"{option} holds a password: leave it out, and put it where the store's own tools look")
    if parts.scheme == "file" or not parts.netloc or {"", ".", ".."} & set(parts.path.strip("/").split("/")):
        raise RequestError(f"{option} is {url!r}: give a directory, or a folder in a bucket such as s3://bucket/run")
    probe = f".writable-{secrets.token_hex(4)}"
    try:
        if folder._store.get_file_info(parts.netloc).type == fs.FileType.NotFound:
            raise FileNotFoundError(f"there is no bucket {parts.netloc}")
        with folder._create(probe) as file:
            file.write(b"")
        folder._store.delete_file(folder._at(probe))
    except (OSError, pa.ArrowException, NotImplementedError) as error:
        raise RequestError(
            f"{option} is {str(folder)!r}: {reason(error)}; give one that can be written, and credentials for it"
        ) from None
    return folder


def _normalised(url: str) -> str:
    """Escape the reserved characters in a URL's path exactly once, so that every folder has one URL."""
    place, mark, options = url.partition("?")
    scheme, _, rest = place.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}{slash}{quote(unquote(path))}{mark}{options}"


def reason(error: BaseException) -> str:
    """Return a store's error message in one line."""
    return " ".join(str(error).split()).partition(" (Request ID")[0]


def at_once(call: Callable[[str], object], names: Iterable[str]) -> None:
    """Call a function for each name, several in parallel; raise the first error."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(call, names))


def _patiently(call: Callable[[], Result]) -> Result:
    for wait in _WAITS:
        try:
            return call()
        except FileNotFoundError:
            raise
        except OSError:
            time.sleep(wait)
    return call()
