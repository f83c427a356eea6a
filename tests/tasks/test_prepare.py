import hashlib
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from pare import tasks
from pare.data.official import locate
from pare.data.task import Download
from pare.tasks.prepare import main
from tests.tasks import tiny

NAME = "satellite"


def _quiet(*_):
    pass


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    folder = tmp_path_factory.mktemp("official")
    tasks.get(NAME).write_synthetic(folder, tiny.of(NAME).recipe, _quiet)
    return folder


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


def _raw(root):
    return {path.name: path.read_bytes() for path in (root / NAME / "raw").iterdir()}


def _contents(official):
    return {path.name: path.read_bytes() for path in official.iterdir()}


def _as_folder(official, place):
    place.mkdir()
    for name, content in _contents(official).items():
        (place / name).write_bytes(content)
    return place


def _as_folder_of_tasks(official, place):
    place.mkdir()
    _as_folder(official, place / NAME)
    return place


def _as_zip(official, place):
    with zipfile.ZipFile(place.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in official.iterdir():
            archive.write(path, f"bundle/data/{path.name}")
    return place.with_suffix(".zip")


def _as_tar(official, place):
    with tarfile.open(place.with_suffix(".tar.gz"), "w:gz") as archive:
        archive.add(official, "bundle")
    return place.with_suffix(".tar.gz")


@pytest.mark.parametrize("make", [_as_folder, _as_folder_of_tasks, _as_zip, _as_tar])
def test_official_files_are_brought_and_prepared(official, root, tmp_path, capsys, make):
    place = make(official, tmp_path / "place")
    assert main([NAME, "--data-root", str(root), "--from", str(place)]) == 0
    assert _raw(root) == _contents(official)
    shown = capsys.readouterr().out
    for content in _contents(official).values():
        assert hashlib.sha256(content).hexdigest() in shown
    assert "satellite: real, 80 train, 10 val, 40 test samples" in shown


def test_a_packed_official_file_stays_packed(root, tmp_path):
    raw = tmp_path / "place"
    raw.mkdir()
    tasks.get("spherical").write_synthetic(raw, tiny.of("spherical").recipe, _quiet)
    assert main(["spherical", "--data-root", str(root), "--from", str(raw / "s2_cifar100.gz")]) == 0
    assert (root / "spherical/raw/s2_cifar100.gz").read_bytes() == (raw / "s2_cifar100.gz").read_bytes()


def test_what_is_there_is_not_copied_again(official, root, capsys):
    for _ in range(2):
        assert main([NAME, "--data-root", str(root), "--from", str(official)]) == 0
    assert capsys.readouterr().out.count("there already") == len(tasks.get(NAME).files)


def test_a_copy_that_breaks_leaves_nothing(official, root, monkeypatch, capsys):
    def failing(*_):
        raise OSError(5, "the line went dead")

    monkeypatch.setattr(locate.hashlib, "sha256", lambda: SimpleNamespace(update=failing))
    assert main([NAME, "--data-root", str(root), "--from", str(official)]) == 2
    assert "the line went dead" in capsys.readouterr().err
    assert list((root / NAME / "raw").iterdir()) == []


def test_several_tasks_are_prepared_in_turn(root, capsys, monkeypatch):
    for name in (NAME, "ecg"):
        monkeypatch.setattr(type(tasks.get(name)), "recipes", {"laptop": tiny.of(name).recipe})
    assert main([NAME, "ecg", NAME, "--data-root", str(root)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("satellite: simulated") == shown.count("ecg: simulated") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "no task: choose from"),
        (["nope"], "unknown task 'nope'"),
        (["ecg", "--preset", "huge"], "huge"),
        (["ecg", "--bogus"], "--bogus"),
        (["ecg", "--preset", "paper"], "challenge2017.pkl"),
        (["ecg", "--from", "/nowhere"], "/nowhere"),
        (["ecg", "--from", "gopher://x/y"], "gopher"),
        (["ecg", "--from", "."], "lacks challenge2017.pkl of ecg"),
        (["ecg", "--from", __file__], "lacks challenge2017.pkl of ecg"),
        (["ecg", "--download"], "put it into"),
        (["ecg", "--download", "--from", "."], "give one of them"),
        (["ecg", "--address", "127.0.0.1:1"], "--address is '127.0.0.1:1'"),
    ],
)
def test_mistakes_are_told_in_a_line(root, capsys, arguments, expected):
    assert main([*arguments, "--data-root", str(root)]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1


def test_help_is_no_mistake(capsys):
    assert main(["--help"]) == 0
    assert "--from" in capsys.readouterr().out


@pytest.fixture
def web(official):
    """The official files on a server that knows little more than GET; gives its address."""
    objects = {f"/data/sets/{NAME}/{name}": content for name, content in _contents(official).items()}

    class Store(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self._answer(body=False)

        def do_GET(self):
            self._answer(body=True)

        def _answer(self, body):
            path, _, query = self.path.partition("?")
            content = objects.get(path)
            if "list-type" in query:
                listed = '<?xml version="1.0"?><ListBucketResult><KeyCount>1</KeyCount><Contents><Key>sets/x</Key>'
                content = f"{listed}<Size>1</Size></Contents></ListBucketResult>".encode()
            if content is None:
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            whole, wanted = content, self.headers.get("Range")
            if wanted:
                first, last = wanted.removeprefix("bytes=").split("-")
                content = content[int(first) : int(last) + 1]
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(whole)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def bucket(web, monkeypatch):
    """The same as an object store; gives its URL."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return f"s3://data/sets?scheme=http&endpoint_override={web.replace(':', '%3A')}&region=here"


def test_an_object_store_is_a_folder_too(official, root, bucket):
    assert main([NAME, "--data-root", str(root), "--from", bucket]) == 0
    assert _raw(root) == _contents(official)


@pytest.mark.parametrize("place", ["data/sets", f"data/sets/{NAME}/"])
def test_the_web_is_a_folder_too(official, root, web, place, capsys):
    for _ in range(2):
        assert main([NAME, "--data-root", str(root), "--from", f"http://{web}/{place}?signature=5ec4e7"]) == 0
    assert _raw(root) == _contents(official)
    assert capsys.readouterr().out.count("there already") == len(tasks.get(NAME).files)


def test_what_the_web_lacks_is_named(root, web, capsys):
    assert main(["ecg", "--data-root", str(root), "--from", f"http://{web}/data"]) == 2
    assert "lacks challenge2017.pkl of ecg" in capsys.readouterr().err


def test_an_official_file_is_brought_from_its_own_address(official, root, web, monkeypatch, capsys):
    address = f"http://{web}/data/sets/{NAME}"
    downloads = {
        name: Download(f"{address}/{name}", f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))
        for name, content in _contents(official).items()
    }
    monkeypatch.setattr(type(tasks.get(NAME)), "downloads", downloads)
    for _ in range(2):
        assert main([NAME, "--data-root", str(root), "--download"]) == 0
    assert _raw(root) == _contents(official)
    shown = capsys.readouterr().out
    assert shown.count("there already") == len(downloads)
    assert shown.count("satellite: real") == 2


def test_what_is_prepared_can_be_verified(official, root, capsys):
    arguments = [NAME, "--data-root", str(root), "--from", str(official), "--verify"]
    assert main(arguments) == 0
    (path,) = root.rglob("test.arrow")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "test.arrow" in error
    assert "checksum" in error
