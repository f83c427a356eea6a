"""Download files: resume partial ones, and verify them before they get their name."""

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
"""Consecutive attempts without a byte, after which a download that had begun is given up."""

WAIT = 1.0
"""Seconds before the second attempt; each later one waits twice as long."""

_BLOCK = 2**20
_TIMEOUT = 10.0, 60.0  # seconds to connect, and between two blocks


def probe(url: str) -> int | None:
    """The size in bytes of what lies at `url`, -1 where the server does not say it; None where there is nothing.

    Raises:
        RequestError: the server cannot be reached or refuses.
    """
    with as_data_error(url), _get(url) as answer:
        # Object stores forbid what is not there.
        if answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.FORBIDDEN):
            return None
        _check(answer, url)
        return _size(answer) or -1


def download(what: Download, target: Path, progress: ProgressCallback) -> str:
    """Bring a file to `target` and return its SHA-256; until it is whole it is a `.part`, and the next call goes on.

    Raises:
        RequestError: the server cannot be reached, refuses or breaks off for good, what it holds has another size or
            digest than expected, or another process is at the same file.
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
    """The address without what may be secret in it: a password, or a signature in the query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _parts(target: Path) -> list[Path]:
    return list(target.parent.glob(f".{glob.escape(target.name)}.*.part"))


def _complete(what: Download, target: Path, progress: ProgressCallback) -> Path:
    """The `.part` with all the bytes that the server has, after as many requests as it takes."""

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
            # Where nothing came at all, there is no network or no such server, which waiting will not mend.
            if failures >= TRIES or now == first:
                remedy = f"the same command goes on after the {now:,} bytes that came, or put the file at {target}"
                raise RequestError(f"{shown(what.url)} cannot be had ({_reason(error)}): {remedy}") from error
            time.sleep(WAIT * 2 ** (failures - 1))


def _request(what: Download, target: Path, progress: ProgressCallback) -> Path:
    """Ask for the file, or for its rest if this very version of it came in part; append what comes."""
    with _get(what.url) as answer:
        _check(answer, what.url)
        size = _size(answer)
        if what.size and size and size != what.size:
            raise RequestError(
                f"{shown(what.url)} holds {size:,} bytes, expected {what.size:,}: get the official {target.name}"
            )
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        # Named after the version, so that the parts of two are never put together.
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
        # Not decoded: some servers call a .gz file an encoded .tar.
        for block in answer.raw.stream(_BLOCK, decode_content=False):
            file.write(block)
            came += len(block)
            progress(came, size or came)
    return part


def _verified(part: Path, what: Download, target: Path) -> str:
    """The SHA-256 of a file that is as expected."""
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
    """Raise unless the answer is a file."""
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
    """A short reason for an error; the message of requests repeats the address, which may hold a secret."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.ConnectionError | HTTPError):
        return "the connection failed or broke off"
    return str(error) if type(error) is requests.RequestException else type(error).__name__


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the file against another process; the lock dies with its holder."""
    lock = target.with_name(f".{target.name}.lock")
    try:
        with FileLock(lock, timeout=0):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    except Timeout:
        raise RequestError(f"{target} is being downloaded by another process: wait for it") from None
