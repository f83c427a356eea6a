import io
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pare.data.official.archives import Archive, find, fingerprint
from pare.errors import DataError

FILES = {f"top/data/{number}.bin": bytes([number]) * (1000 + number) for number in range(40)} | {"other/list": b"1"}


def _zip(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("top")
        for name, content in FILES.items():
            archive.writestr(name, content)


def _tar(path):
    with tarfile.open(path, "w") as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _folder(path):
    for name, content in FILES.items():
        file = path.with_suffix("") / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


@pytest.fixture(params=[("a.zip", _zip), ("a.tar", _tar), ("a.zip", _folder), ("a.tar", _folder)])
def name(request, tmp_path):
    name, make = request.param
    make(tmp_path / name)
    return name


def test_all_kinds_read_alike(name, tmp_path):
    archive = Archive(tmp_path, name, "data/")
    assert archive.names == sorted(file.removeprefix("top/") for file in FILES if file.startswith("top/"))
    with ThreadPoolExecutor(4) as pool:
        contents = list(pool.map(archive.read, archive.names * 5))
    assert contents == [FILES[f"top/{file}"] for file in archive.names] * 5


def test_an_absent_member_is_named(name, tmp_path):
    archive = Archive(tmp_path, name, "data/")
    with pytest.raises(DataError, match=r"data/99\.bin cannot be read"):
        archive.read("data/99.bin")


def test_an_absent_landmark_is_named(name, tmp_path):
    with pytest.raises(DataError, match=f"holds no chunks/: it is not the official {name}"):
        Archive(tmp_path, name, "chunks/")


def test_a_folder_stands_for_an_archive_only(tmp_path):
    (tmp_path / "a").mkdir()
    assert find(tmp_path, "a.zip") == find(tmp_path, "a.tar") == tmp_path / "a"
    assert find(tmp_path, "a.npy") is None
    (tmp_path / "a.zip").write_bytes(b"")
    assert find(tmp_path, "a.zip") == tmp_path / "a.zip"


def test_a_changed_member_is_noticed(tmp_path):
    _zip(tmp_path / "a.zip")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[content.index(b"top/data/7.bin") + 20] ^= 255
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"data/7\.bin cannot be read") as error:
        Archive(tmp_path, "a.zip", "data/").read("data/7.bin")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [0, 100, 2**20, 3 * 2**20])
def test_a_fingerprint_is_the_contents(tmp_path, size):
    content = np.random.default_rng(0).bytes(size)
    for name in ("one", "other"):
        (tmp_path / name).write_bytes(content)
    same = fingerprint(tmp_path / "one")
    assert fingerprint(tmp_path / "other") == same
    (tmp_path / "other").write_bytes(content + b"x")
    assert fingerprint(tmp_path / "other") != same
    for place in _at(size):
        (tmp_path / "other").write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert fingerprint(tmp_path / "other") != same


def _at(size):
    """Where a change shows: at the head and the tail, and anywhere in a file of up to 1 MiB."""
    return [] if not size else [0, size - 1] + ([size // 3, size // 2] if size <= 2**20 else [])


def test_a_folders_fingerprint_is_its_paths_and_contents(tmp_path):
    for name in ("one.zip", "other.zip"):
        _folder(tmp_path / name)
    one, other = (tmp_path / name for name in ("one", "other"))
    assert fingerprint(one) == fingerprint(other)
    (other / "more.bin").write_bytes(b"")
    assert fingerprint(one) != fingerprint(other)
    (other / "more.bin").unlink()
    first = min(path for path in other.rglob("*") if path.is_file())
    first.write_bytes(b"changed")
    assert fingerprint(one) != fingerprint(other)
