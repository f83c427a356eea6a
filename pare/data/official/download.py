"""Download files: resume partial downloads, and verify files before renaming them."""

import glob
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests
from filelock import FileLock, Timeout
from urllib3.exceptions import HTTPError

from pare.data.task import Download, ProgressCallback
from pare.errors import RequestError

TRIES = 5
"""Number of consecutive attempts without data after which a started download is given up."""

WAIT = 1.0
"""Seconds before the second attempt; each later one waits twice as long."""

_BLOCK = 2**20
_TIMEOUT = 10.0, 60.0  # seconds to connect, and between two blocks


def probe(url: str) -> int | None:
    """Return the size in bytes of the file at `url`, -1 if the server does not say; None if there is no file.

    Raises:
        RequestError: the server cannot be reached or refuses.
    """
    with as_data_error(url), _get(url) as answer:
        # Object stores answer 403 for missing files.
        if answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.FORBIDDEN):
            return None
        _check(answer, url)
        return _size(answer) or -1


def download(what: Download, target: Path, progress: ProgressCallback) -> str:
    """Download a file to `target` and return its SHA-256; a partial download is a `.part`, which the next call resumes.

    Raises:
        RequestError: the server cannot be reached, refuses or breaks off for good, its file has another size or digest
            than expected, or another process downloads the same file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target):
        part = _complete(what, target, progress)
        digest = _verified(part, what, target)
        part.replace(target)
        for stale in _parts(target):
            stale.unlink()
    return digest


def shown(url: str) -> str:
    """Return the URL without its possible secrets: a password, or a signature in the query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _parts(target: Path) -> list[Path]:
    return list(target.parent.glob(f".{glob.escape(target.name)}.*.part"))


def _complete(what: Download, target: Path, progress: ProgressCallback) -> Path:
    """Request the file until it is complete; return the complete `.part`."""

    def came() -> int:
        return sum(part.stat().st_size for part in _parts(target))

    first = before = came()
    failures = 0
    while True:
        try:
            return _request(what, target, progress)
        except (requests.RequestException, HTTPError) as error:
            now = came()
            failures = 1 if now > before else failures + 1
            before = now
            # If nothing was received at all, there is no network or no such server, and waiting does not help.
            if failures >= TRIES or now == first:
                remedy = f"the same command goes on after the {now:,} bytes that came, or put the file at {target}"
                raise RequestError(f"{shown(what.url)} cannot be had ({_reason(error)}): {remedy}") from error
            time.sleep(WAIT * 2 ** (failures - 1))


def _request(what: Download, target: Path, progress: ProgressCallback) -> Path:
    """Request the file, or only its rest if part of this version is there, and append the data."""
    with _get(what.url) as answer:
        _check(answer, what.url)
        size = _size(answer)
        if what.size and size and size != what.size:
            raise RequestError(
                f"{shown(what.url)} holds {size:,} bytes, expected {what.size:,}: get the official {target.name}"
            )
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        # The name contains the version, so that parts of two versions are never joined.
        version = hashlib.sha256(f"{what.url} {tag} {size}".encode()).hexdigest()[:12]
        part = target.with_name(f".{target.name}.{version}.part")
        came = part.stat().st_size if part.exists() else 0
        if came and size == came:
            return part
        if not came or not size or came > size or answer.headers.get("Accept-Ranges") == "none":
            return _append(answer, part, 0, size, progress)
    conditions = {"Range": f"bytes={came}-"} | ({"If-Range": tag} if tag and not tag.startswith("W/") else {})
    with _get(what.url, **conditions) as answer:
        _check(answer, what.url)
        ranged = answer.status_code == HTTPStatus.PARTIAL_CONTENT
        if ranged and answer.headers.get("Content-Range") != f"bytes {came}-{size - 1}/{size}":
            raise requests.RequestException("the server answers with another range than asked for")
        return _append(answer, part, came if ranged else 0, size, progress)


def _append(answer: requests.Response, part: Path, came: int, size: int | None, progress: ProgressCallback) -> Path:
    with part.open("r+b" if came else "wb") as file:
        file.seek(came)
        # Not decoded, because some servers declare a .gz file as an encoded .tar.
        for block in answer.raw.stream(_BLOCK, decode_content=False):
            file.write(block)
            came += len(block)
            progress(came, size or came)
    return part


def _verified(part: Path, what: Download, target: Path) -> str:
    """Check a file against the expected digest and return its SHA-256."""
    kind, _, expected = what.digest.partition(":")
    for algorithm in dict.fromkeys((kind or "sha256", "sha256")):
        with part.open("rb") as file:
            found = hashlib.file_digest(file, partial(hashlib.new, algorithm, usedforsecurity=False)).hexdigest()
        if algorithm == kind and found != expected:
            part.unlink()
            raise RequestError(
                f"{shown(what.url)} has {kind} {found}, expected {expected}: it is not the official {target.name}; "
                "try again, or get it elsewhere"
            )
    return found


def _get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=_TIMEOUT)


def _check(answer: requests.Response, url: str) -> None:
    """Raise an error unless the response is a file."""
    code = answer.status_code
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR or code == HTTPStatus.TOO_MANY_REQUESTS:
        raise requests.RequestException(f"the server answers {code} {answer.reason}")
    if code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise RequestError(f"{shown(url)} answers {code} {answer.reason}: check the address")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise RequestError(f"{shown(url)} is a web page and no file: give the file's own address")


def _size(answer: requests.Response) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


@contextmanager
def as_data_error(url: str) -> Iterator[None]:
    try:
        yield
    except (requests.RequestException, HTTPError) as error:
        raise RequestError(f"{shown(url)} cannot be reached ({_reason(error)}): check address and network") from error


def _reason(error: Exception) -> str:
    """Return a short reason for an error; the message of requests contains the URL, which may hold a secret."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.ConnectionError | HTTPError):
        return "the connection failed or broke off"
    return str(error) if type(error) is requests.RequestException else type(error).__name__


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Lock the file against other processes; the lock ends with its process."""
    lock = target.with_name(f".{target.name}.lock")
    try:
        with FileLock(lock, timeout=0):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    except Timeout:
        raise RequestError(f"{target} is being downloaded by another process: wait for it") from None
