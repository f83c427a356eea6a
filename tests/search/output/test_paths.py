"""Paths with characters that mean something in URLs and shells: everything lies where it should."""

import sqlite3
from importlib import metadata

import pytest

from pare.bucket import reach
from pare.search.output import directory
from pare.search.study.storage import Database, sqlite

NAMES = ["plain", "a b", "100%", "a%20b", "what?", "no#1", "ünï", "a{b}", "a+b&c=d", "it's", "[old]"]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_lies_in_its_folder(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    database = Database("study", sqlite(folder / "study.db"), "minimize")
    database.settle()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with sqlite3.connect(folder / "study.db") as connection:
        assert connection.execute("select study_name from studies").fetchall() == [("study",)]


@pytest.mark.parametrize("name", [*NAMES, "deep/a b"])
def test_a_folder_in_a_bucket_lies_under_its_name(store_url, name):
    name = name.replace("?", "%3F")  # which begins the options of a URL
    folder = reach(f"{store_url}/{name}", "--out")
    folder.write("file", b"content")
    assert folder.holds("file")
    assert reach(str(folder), "--out").read("file") == b"content"
    assert not reach(f"{store_url}/{name[:-1]}x", "--out").holds("file")
    assert (folder / "sub").uri.startswith(folder.uri)


def test_two_spellings_of_a_folder_are_one(store_url):
    spaced, escaped = (reach(f"{store_url}/{name}", "--out") for name in ("my run", "my%20run"))
    assert spaced == escaped
    assert spaced.workspace == escaped.workspace


def test_a_checkout_that_is_not_installed_has_no_version(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(directory.metadata, "version", missing)
    assert directory._version("pare-sweep") == "not installed"
