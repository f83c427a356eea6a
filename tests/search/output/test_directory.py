"""A sweep's directory: whose it is, what it holds, and how to begin anew."""

import json

import pytest

from pare.config import Run
from pare.errors import DataError, RequestError
from pare.search.output import directory
from pare.search.request import Request
from pare.search.space.changes import Changes, Interval

RUN = Run(task="ecg", data="d", body="roberta-mini", source="signals", source_data="s", epochs=9)


def remember(out, run=RUN, searched=("optimizer.lr.body",), **request):
    spaces = {run.task: Changes({}, {name: Interval(0.0, 1.0) for name in searched})}
    shares = ("pare",), "seconds"
    made = directory.manifest(
        out, "nas360", Request(**request), "laptop", {run.task: run}, spaces, shares, {"CPU": 2.0}
    )
    made.write()
    return made.id


def test_the_same_sweep_keeps_its_identifier(tmp_path):
    assert remember(tmp_path) == remember(tmp_path, trials=50)
    assert json.loads((tmp_path / "sweep.json").read_text())["request"]["trials"] == 50


def test_no_password_is_written_down(tmp_path):
    remember(tmp_path, study_storage="postgresql://me:secret@host/studies")
    text = (tmp_path / "sweep.json").read_text()
    assert "secret" not in text
    assert "postgresql://me:***@host/studies" in text


def test_a_storage_that_is_no_url_is_told_without_its_password(tmp_path):
    with pytest.raises(RequestError, match="--study-storage is no URL: give") as error:
        remember(tmp_path, study_storage="me:secret")
    assert "secret" not in str(error.value)


def test_more_epochs_and_another_task_extend_it(tmp_path):
    first = remember(tmp_path)
    assert remember(tmp_path, RUN.replace({"epochs": 20})) == first
    assert remember(tmp_path, RUN.replace({"task": "satellite"})) == first
    assert set(json.loads((tmp_path / "sweep.json").read_text())["base"]) == {"ecg", "satellite"}


@pytest.mark.parametrize(
    ("run", "request_", "named"),
    [
        (RUN.replace({"optimizer.batch": 7}), {}, r"settings of ecg \(optimizer.batch 32, now 7\)"),
        (RUN.replace({"data": "other"}), {}, r"settings of ecg \(data d, now other\)"),
        (RUN, {"seed": 4}, "seed"),
    ],
)
def test_another_sweep_is_refused_with_the_remedy(tmp_path, run, request_, named):
    remember(tmp_path)
    with pytest.raises(RequestError, match=rf"it holds a sweep of other {named}; .*--fresh"):
        remember(tmp_path, run, **request_)


@pytest.mark.parametrize(
    ("changes", "before", "now"),
    [
        ({"optimizer.batch": 7}, ["optimizer.batch"], []),
        ({"optimizer.batch": 7}, [], ["optimizer.batch"]),
        ({"curriculum.start": 0.1, "curriculum.end": 0.1}, ["curriculum.start"], []),
    ],
)
def test_what_was_or_is_searched_may_be_fixed_otherwise(tmp_path, changes, before, now):
    first = remember(tmp_path, searched=before)
    assert remember(tmp_path, RUN.replace(changes), now) == first
    assert json.loads((tmp_path / "sweep.json").read_text())["space"]["ecg"]["search"].keys() == set(now)


def test_an_earlier_version_s_sweep_searched_the_published_space(tmp_path):
    first = remember(tmp_path)
    record = json.loads((tmp_path / "sweep.json").read_text())
    del record["space"], record["methods"], record["share"]
    (tmp_path / "sweep.json").write_text(json.dumps(record))
    assert directory.earlier_shares(tmp_path) == (("pare",), "trials")
    with pytest.raises(RequestError, match="settings of ecg"):
        remember(tmp_path, RUN.replace({"optimizer.batch": 7}))
    assert remember(tmp_path, RUN.replace({"optimizer.warmup": 0.1}), searched=()) == first


@pytest.mark.parametrize("text", ["{", "{}", '{"id": "x", "script": "nas360"}', "[]"])
def test_a_damaged_record_is_named(tmp_path, text):
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(DataError, match=r"sweep.json is damaged"):
        remember(tmp_path)


def test_a_fresh_start_keeps_the_old_beside(tmp_path):
    out = tmp_path / "out"
    names = []
    for _ in range(3):
        directory.writable(out)
        names.append(directory.archive_previous(out))
        assert list(out.iterdir()) == [out / ".lock.held"] or not list(out.iterdir())
        remember(out)
    assert names == [None, tmp_path / "out.1", tmp_path / "out.2"]
    ids = {json.loads((folder / "sweep.json").read_text())["id"] for folder in (out, *names[1:])}
    assert len(ids) == 3


def test_a_fresh_start_waits_for_a_sweep_at_work(tmp_path):
    remember(tmp_path)
    with directory.lock(tmp_path), pytest.raises(RequestError, match=r"a sweep is at work there \(process"):
        directory.archive_previous(tmp_path)
    assert (tmp_path / "sweep.json").exists()


def test_the_directory_is_free_again_afterwards(tmp_path):
    for _ in range(2):
        with directory.lock(tmp_path):
            assert (tmp_path / ".lock").read_text().startswith("process ")
        assert not (tmp_path / ".lock").exists()
