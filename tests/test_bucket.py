"""A folder in an object store, on a real server over HTTP."""

import boto3
import pytest

from pare import bucket
from pare.bucket import Folder
from pare.errors import RequestError


@pytest.fixture
def folder(store_url):
    return Folder(f"{store_url}/run")


def names(store_url):
    """Every object of the bucket that is no mark of a folder."""
    listed = boto3.client("s3").list_objects_v2(Bucket=store_url.removeprefix("s3://"))
    return {each["Key"] for each in listed.get("Contents", []) if not each["Key"].endswith("/")}


def test_files_come_back_as_they_were(folder, tmp_path):
    for name, content in (("a.bin", b"\x00\x01" * 5000), ("deep/er/b.gz", b"not packed"), ("empty", b"")):
        (tmp_path / "file").write_bytes(content)
        folder.push(tmp_path / "file", name)
        folder.pull(name, tmp_path / "back" / name)
        assert (tmp_path / "back" / name).read_bytes() == content
        assert folder.read(name) == content
    assert folder.files() == {"a.bin": 10000, "deep/er/b.gz": 10, "empty": 0}
    assert {path.name for path in (tmp_path / "back").rglob("*") if path.is_file()} == {"a.bin", "b.gz", "empty"}


def test_a_folder_goes_and_comes_whole(folder, tmp_path):
    (tmp_path / "model" / "sub").mkdir(parents=True)
    for name in ("weights", "sub/card", "last"):
        (tmp_path / "model" / name).write_text(name)
    folder.push_folder(tmp_path / "model", "m", last="last")
    (folder / "m").pull_folder("sub", tmp_path / "sub")
    folder.pull_folder("m", tmp_path / "back")
    assert (tmp_path / "sub" / "card").read_text() == "sub/card"
    assert sorted(p.read_text() for p in (tmp_path / "back").rglob("*") if p.is_file()) == [
        "last",
        "sub/card",
        "weights",
    ]


def test_what_is_not_there(folder, tmp_path):
    assert folder.files() == {}
    assert folder.read("a") is None
    assert not folder.holds("a")
    folder.delete(["a"])
    folder.delete_all()
    with pytest.raises(FileNotFoundError):
        folder.pull("a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_deletes_what_it_is_told_and_nothing_else(folder, store_url):
    for name in ("a", "b", "c/d", "c/e"):
        folder.write(name, b"x")
    folder.delete(["a"])
    (folder / "c").delete_all()
    assert names(store_url) == {"run/b"}


def test_moves_to_the_first_free_name_beside(folder, store_url):
    for number in (1, 2):
        folder.write("sub/a", str(number).encode())
        assert str(folder.move_aside()) == f"{store_url}/run.{number}"
    assert names(store_url) == {"run.1/sub/a", "run.2/sub/a"}
    assert Folder(f"{store_url}/run.2").read("sub/a") == b"2"


def test_options_of_a_url_are_for_programs(store_url, s3):
    options = f"?endpoint_override={s3.removeprefix('http://')}&scheme=http"
    folder = Folder(f"{store_url}/run/{options}") / "ecg"
    assert (str(folder), folder.uri) == (f"{store_url}/run/ecg", f"{store_url}/run/ecg{options}")
    folder.write("a", b"x")
    assert Folder(f"{store_url}/run/ecg").read("a") == b"x"


@pytest.mark.parametrize(("failures", "ends"), [(2, "here"), (3, "away")])
def test_a_failure_is_tried_again(failures, ends, monkeypatch):
    monkeypatch.setattr(bucket, "_WAITS", (0.0, 0.0))
    left = [OSError("away")] * failures

    def call():
        if left:
            raise left.pop()
        return "here"

    if ends == "here":
        assert bucket._patiently(call) == ends
    else:
        with pytest.raises(OSError, match=ends):
            bucket._patiently(call)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("s3://no-such-bucket/run", "there is no bucket no-such-bucket"),
        ("s3://bucket", "a folder in a bucket such as s3://bucket/run"),
        ("s3:///run", "a folder in a bucket"),
        ("s3://bucket/..", "a folder in a bucket"),
        ("s3://bucket/../../etc", "a folder in a bucket"),
        ("s3://bucket//run//sub", "a folder in a bucket"),
        ("file:///tmp/run", "give a directory"),
        ("s4://bucket/run", "s4"),
        ("s3://me:secret@bucket/run", "--out holds a password"),
        ("s3://bucket/run?bogus=1", "bogus"),
    ],
)
def test_what_cannot_be_reached_is_told_in_one_line(url, named, store_url):
    with pytest.raises(RequestError) as error:
        bucket.reach(url, "--out")
    assert named in str(error.value)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_no_copy_lies_in_another(cache):
    copies = [Folder(url).workspace for url in ("s3://bucket/run", "s3://bucket/run/sub", "s3://other/run")]
    assert {copy.parent for copy in copies} == {cache / "runs" / "bucket", cache / "runs" / "other"}
    assert len(set(copies)) == 3


def test_reaching_leaves_nothing_behind(store_url):
    assert str(bucket.reach(f"{store_url}/run/", "--out")) == f"{store_url}/run"
    assert names(store_url) == set()
