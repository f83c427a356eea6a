"""A head started with the YAML's own words answers nobody without the token."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
import yaml

from tests.cluster import rules

TOKEN = "0123456789abcdef" * 4


def status(port, token):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/jobs/")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


@pytest.fixture
def dashboard(tmp_path, unused_port):
    """Port of the dashboard of a head of its own, started by aws.yaml's command; ended by ending that command."""
    config = yaml.safe_load((rules.REPOSITORY / "cluster" / "aws.yaml").read_text())
    ray = Path(sys.executable).with_name("ray")
    command = config["head_start_ray_commands"][-1].replace("~/pare/.venv/bin/ray", f"exec {ray}")
    command = re.sub(r"--port=\S+|--autoscaling-config=\S+|--object-store-memory=\S+", "", command)
    port = unused_port()
    ports = f"--port={unused_port()} --dashboard-port={port} --ray-client-server-port={unused_port()}"
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(TOKEN)
    sessions = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # Ray's sockets need a short path
    environment = os.environ | {"HOME": str(tmp_path), "RAY_TMPDIR": str(sessions)}
    environment.pop("RAY_AUTH_TOKEN", None)
    with (tmp_path / "log").open("w") as log:
        head = subprocess.Popen(
            ["bash", "-c", f"{command} {ports} --block --object-store-memory=80000000"],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 120
        while status(port, TOKEN) != 200:
            assert head.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.5)
        yield port
    finally:
        # Never `ray stop`, which ends every Ray of the machine; and no SIGTERM, whose grace takes half a minute.
        for process in [*psutil.Process(head.pid).children(recursive=True), head]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        head.wait(60)
        shutil.rmtree(sessions, ignore_errors=True)


@pytest.mark.ray
def test_without_the_token_nobody_is_answered(dashboard):
    assert status(dashboard, None) == 401
    assert status(dashboard, "f" * 64) == 403
    assert status(dashboard, TOKEN) == 200
