import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from filelock import FileLock

from pare.data.official import download
from pare.data.task import Download
from pare.errors import RequestError

BODY = np.random.default_rng(0).bytes(3_000_000)
MD5 = "md5:" + hashlib.md5(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `body` at every path, in ranges; the test sets how it misbehaves."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.tag, self.status, self.kind = BODY, '"one"', 200, "application/gzip"
        self.ranges = True
        self.cuts = []
        """After how many bytes each of the next answers breaks off; to go on takes two, one to see the version."""
        self.asked = []
        """The range that each request asked for."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/some/data.tar.gz"

    def handle_error(self, *_):
        pass


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        served = self.server
        wanted = self.headers.get("Range")
        served.asked.append(wanted)
        if served.status != 200:
            self.send_error(served.status)
            return
        whole, first = served.body, 0
        if wanted and served.ranges and self.headers.get("If-Range", served.tag) == served.tag:
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(whole) - 1}/{len(whole)}")
        else:
            self.send_response(200)
        for name, value in {
            "ETag": served.tag,
            "Content-Length": str(len(whole) - first),
            "Content-Type": served.kind,
            "Content-Encoding": "x-gzip",  # as some servers call what is packed already
        }.items():
            self.send_header(name, value)
        self.end_headers()
        rest = whole[first:]
        cut = served.cuts.pop(0) if served.cuts else len(rest)
        self.wfile.write(rest[:cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(download, "WAIT", 0.0)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "raw" / "data.tar.gz"


def _quiet(*_):
    pass


def _bring(server, target, digest=MD5, size=3_000_000):
    return download.download(Download(server.url, digest, size), target, _quiet)


def _left(target):
    return {path.name.rpartition(".")[2] for path in target.parent.iterdir() if path != target}


def _refused(server, target, *expected, **what):
    with pytest.raises(RequestError) as error:
        _bring(server, target, **what)
    message = str(error.value)
    assert "\n" not in message
    for part in expected:
        assert part in message
    assert not target.exists()


def test_a_file_comes_whole_and_alone(server, target):
    told = []
    digest = download.download(Download(server.url, MD5, len(BODY)), target, lambda *state: told.append(state))
    assert target.read_bytes() == BODY
    assert digest == hashlib.sha256(BODY).hexdigest()
    assert told[-1] == (len(BODY), len(BODY))
    assert _left(target) == set()


@pytest.mark.parametrize("digest", ["", "sha256:" + hashlib.sha256(BODY).hexdigest()])
def test_other_digests_or_none_do(server, target, digest):
    _bring(server, target, digest, None)
    assert target.read_bytes() == BODY


def test_a_cut_connection_goes_on_where_it_broke(server, target):
    server.cuts = [1_000_000, 0, 500_000]
    _bring(server, target)
    assert target.read_bytes() == BODY
    assert [asked for asked in server.asked if asked] == ["bytes=1000000-", "bytes=1500000-"]


def test_a_download_that_was_given_up_goes_on_later(server, target):
    server.cuts = [1_000_000] + [0] * (2 * download.TRIES)
    _refused(server, target, server.url, "1,000,000 bytes", str(target))
    assert _left(target) == {"part"}
    server.cuts, server.asked = [], []
    _bring(server, target)
    assert target.read_bytes() == BODY
    assert server.asked == [None, "bytes=1000000-"]
    assert _left(target) == set()


def test_the_rest_of_another_version_is_not_appended(server, target):
    server.cuts = [1_000_000] + [0] * (2 * download.TRIES)
    _refused(server, target)
    server.cuts, server.tag, server.body = [], '"two"', BODY[::-1]
    _bring(server, target, digest="")
    assert target.read_bytes() == BODY[::-1]
    assert _left(target) == set()


def test_a_server_without_ranges_begins_again(server, target):
    server.cuts, server.ranges = [1_000_000, 3], False
    _bring(server, target)
    assert target.read_bytes() == BODY


def test_a_wrong_body_is_refused(server, target):
    server.body = BODY[:-1] + bytes([BODY[-1] ^ 1])
    found = hashlib.md5(server.body).hexdigest()
    _refused(server, target, server.url, found, MD5.removeprefix("md5:"), "data.tar.gz")
    assert _left(target) == set()


def test_a_wrong_size_is_refused_before_anything_comes(server, target):
    server.body = BODY[:1000]
    _refused(server, target, server.url, "1,000 bytes", f"expected {len(BODY):,}")
    assert _left(target) == set()


@pytest.mark.parametrize(("status", "expected"), [(404, "404 Not Found"), (401, "401"), (503, "503")])
def test_a_refusal_is_told(server, target, status, expected):
    server.status = status
    _refused(server, target, server.url, expected)


def test_a_web_page_is_no_file(server, target):
    server.kind = "text/html; charset=utf-8"
    _refused(server, target, "web page", digest="", size=None)


def test_nobody_there_is_told_with_what_to_put_where(target, unused_port):
    what = Download(f"http://127.0.0.1:{unused_port()}/data.tar.gz")
    with pytest.raises(RequestError) as error:
        download.download(what, target, _quiet)
    assert what.url in str(error.value)
    assert f"put the file at {target}" in str(error.value)
    assert "\n" not in str(error.value)


def test_secrets_of_an_address_are_not_told(server, target):
    server.status = 404
    secret = server.url.replace("//", "//me:pass@") + "?signature=5ec4e7"
    with pytest.raises(RequestError) as error:
        download.download(Download(secret), target, _quiet)
    assert server.url in str(error.value)
    assert "pass" not in str(error.value)
    assert "5ec4e7" not in str(error.value)


def test_two_processes_do_not_write_one_file(server, target):
    target.parent.mkdir()
    with FileLock(target.with_name(f".{target.name}.lock")):
        _refused(server, target, "another process", str(target))


@pytest.mark.parametrize(("status", "expected"), [(200, len(BODY)), (404, None), (403, None)])
def test_what_is_there_can_be_asked(server, status, expected):
    server.status = status
    assert download.probe(server.url) == expected
