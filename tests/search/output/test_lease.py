"""The lease of a folder in a bucket: one sweep holds it at a time, and none for ever."""

import json
import time

import pytest

from pare.bucket import Folder
from pare.errors import BucketError, RequestError
from pare.search.output import lease
from pare.search.output.lease import NAME, Lease


@pytest.fixture
def remote(store_url, monkeypatch):
    monkeypatch.setattr(lease, "RENEWED", 0.2)
    return Folder(f"{store_url}/run")


def elsewhere(remote, **changes):
    """Make the claim that lies there another machine's."""
    claim = json.loads(remote.read(NAME)) | {"machine": "other", "who": "process 7 on other"} | changes
    remote.write(NAME, json.dumps(claim).encode())


def test_it_is_free_again_after_a_release(remote):
    for workspace in ("a", "b"):
        one = Lease(remote)
        assert one.wait_until_free("x", print) == ("" if workspace == "a" else "a")
        one.acquire(workspace)
        one.release()


def test_who_renews_it_keeps_it(remote):
    one = Lease(remote)
    one.wait_until_free("", print)
    one.acquire("a")
    try:
        with pytest.raises(RequestError, match=r"--out is 's3://.*/run': a sweep is at work there \(process "):
            Lease(remote).wait_until_free("", print)
        assert json.loads(remote.read(NAME))["renewed"] > 0
    finally:
        one.stop()


def test_a_silent_one_loses_it_after_a_while(remote, monkeypatch, capsys):
    one = Lease(remote)
    one.acquire("a")
    one.stop()
    elsewhere(remote)
    monkeypatch.setattr(lease, "SILENT", 1.5)  # the store counts whole seconds
    began = time.monotonic()
    assert Lease(remote).wait_until_free("b", print) == "a"
    assert time.monotonic() - began > 0.2
    assert capsys.readouterr().out.startswith("process 7 on other swept there ")


@pytest.mark.parametrize("own", ["a", ""])
def test_a_dead_process_of_this_machine_holds_nothing(remote, own, monkeypatch):
    """Nor does the workspace whose lock one holds."""
    one = Lease(remote)
    one.acquire("a")
    one.stop()
    if own:
        elsewhere(remote)
    else:
        monkeypatch.setattr(lease.os, "kill", lambda *_: (_ for _ in ()).throw(ProcessLookupError()))
    assert Lease(remote).wait_until_free(own, print) == "a"


def test_who_lost_it_is_told_and_leaves_it_alone(remote):
    one = Lease(remote)
    one.acquire("a")
    try:
        one.check()
        elsewhere(remote, session="another")
        until = time.monotonic() + 20
        while one._thread.is_alive() and time.monotonic() < until:
            time.sleep(0.02)
        with pytest.raises(BucketError, match=r"is another sweep's by now \(process 7 on other\)"):
            one.check()
        assert json.loads(remote.read(NAME))["session"] == "another"
    finally:
        one.stop()


def test_a_claim_that_is_no_json_is_none(remote):
    remote.write(NAME, b"{")
    assert Lease(remote).wait_until_free("a", print) == ""
