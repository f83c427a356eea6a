"""Where a set's files may lie, in which forms, and how they are got."""

import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from pare.errors import DataError, RequestError
from pare.tasks.ucr import files, readers, sets
from pare.tasks.ucr.sets import named
from tests.conftest import quietly
from tests.tasks.ucr import layout

ECG = named("ECG200")


def brought(root):
    """What the task would read."""
    return [(root / ECG.name / "raw" / name).read_text() for name in ECG.files]


@pytest.fixture
def expected():
    return [layout.tsv(*part) for part in layout.series(ECG)]


@pytest.mark.parametrize("place", ["ucr/ECG200", "UCRArchive_2018/ECG200", "ECG200", "ucr-ecg200", "ucr-ecg200/raw"])
@pytest.mark.parametrize("form", [".tsv", ".ts"])
def test_folders(tmp_path, place, form, expected):
    layout.write(tmp_path / place, form=form)
    assert files.bring(tmp_path, ECG)
    assert brought(tmp_path) == expected


@pytest.mark.parametrize("place", ["ucr/ECG200.zip", "ECG200.zip", "UCRArchive_2018.zip", "ucr-ecg200/ECG200.zip"])
@pytest.mark.parametrize("form", [".tsv", ".ts"])
def test_zips(tmp_path, place, form, expected):
    zipped(tmp_path / place, form)
    assert files.bring(tmp_path, ECG)
    assert brought(tmp_path) == expected


def zipped(path, form=".ts"):
    path.parent.mkdir(parents=True, exist_ok=True)
    layout.write(path.parent / "made", form=form)
    with zipfile.ZipFile(path, "w") as archive:
        for file in (path.parent / "made").iterdir():
            archive.write(file, f"some/folder/{file.name}")
            file.unlink()


def test_what_is_there_already_stays(tmp_path, expected):
    layout.write(tmp_path / "ucr-ecg200" / "raw")
    layout.write(tmp_path / "ucr" / "ECG200", seed=1)
    assert files.bring(tmp_path, ECG)
    assert brought(tmp_path) == expected


def test_half_a_set_is_none(tmp_path):
    layout.write(tmp_path / "ucr" / "ECG200")
    (tmp_path / "ucr" / "ECG200" / ECG.files[1]).unlink()
    assert not files.bring(tmp_path, ECG)


def test_a_damaged_zip_is_named(tmp_path):
    (tmp_path / "ECG200.zip").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match=r"ECG200\.zip cannot be read \(File is not a zip file\): unpack it"):
        files.bring(tmp_path, ECG)


def test_lengths_gaps_and_words_of_a_ts_file():
    of = named("PickupGestureWiimoteZ")
    x, y = layout.series(of)[0]
    x[:, 300:] = np.nan
    x[0, 5] = np.nan
    (content,) = readers.as_tsv([layout.ts(x, y, words=True).encode()], of)
    rows = [line.split("\t") for line in content.decode().splitlines()]
    assert [int(row[0]) for row in rows] == y.tolist()
    np.testing.assert_array_equal(np.array([row[1:] for row in rows], dtype=float), np.char.mod("%g", x).astype(float))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1,2,3", "expected up to 96 values"),
        ("1,2:3,4:1", "expected up to 96 values"),
        (",".join("1" * 97) + ":1", "expected up to 96 values"),
        ("", "holds no series after @data"),
    ],
)
def test_another_ts_file_is_refused(line, words):
    with pytest.raises(DataError, match=f"ECG200.ts.*{words}"):
        readers.as_tsv([f"@problemName x\n@data\n{line}\n".encode()], ECG)


@pytest.fixture
def public(tmp_path, monkeypatch):
    """A server in the place of the archive's public address; yields the folder that it serves."""

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=tmp_path / "public")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        monkeypatch.setattr(sets, "HOMEPAGE", f"http://127.0.0.1:{server.server_port}")
        yield tmp_path / "public" / "aeon-toolkit"
        server.shutdown()
        thread.join()


def test_a_download_is_laid_where_the_task_reads_it(tmp_path, public, expected):
    zipped(public / "ECG200.zip")
    files.get(tmp_path, ECG, quietly)
    assert brought(tmp_path) == expected


def test_a_download_of_something_else_is_told(tmp_path, public):
    public.mkdir(parents=True)
    with zipfile.ZipFile(public / "ECG200.zip", "w") as archive:
        archive.writestr("readme.txt", "no series")
    with pytest.raises(DataError, match=r"ECG200\.zip holds no ECG200_TRAIN\.tsv"):
        files.get(tmp_path, ECG, quietly)
    with pytest.raises(RequestError, match="404"):
        files.get(tmp_path, named("Coffee"), quietly)
