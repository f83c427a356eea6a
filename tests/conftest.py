"""Fixtures of all tests: a data root with small official files of both kinds, and short runs on them."""

import os

# Read at import, and inherited by every process that a test starts: no threads beyond the cores, no call of the hub.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "HF_HUB_OFFLINE"), "1")

import logging
import socket
import uuid

import pytest

from pare import bucket, tasks
from pare.config import Run
from pare.data import store

OPT_IN = ("browser", "faults", "fuzz")
"""Marks of tests that take minutes, or more than a bare machine has: they run where `-m` asks for them."""


LONG = ("test_contract.py", "test_distributed.py", "test_executor.py", "test_loop.py")
"""Files that take longest among those that start no Ray."""


def pytest_xdist_auto_num_workers():
    """One worker more than cores: a quarter of the time tests wait for Ray to start and stop."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(config, items):
    # The longest files begin first, so that the short ones even out the ends of the workers.
    ray = {item.path for item in items if item.get_closest_marker("ray")}
    items.sort(key=lambda item: (item.path not in ray, item.path.name not in LONG))
    for item in items:
        for mark in OPT_IN:
            if item.get_closest_marker(mark) and mark not in config.option.markexpr:
                item.add_marker(pytest.mark.skip(reason=f"asked for by -m {mark} only"))


RECIPES = {
    "ecg": {"records": 60, "seconds": 12.0, "seed": 18},
    "darcy": {"train": 20, "test": 6, "resolution": 85, "seed": 0},
}
SETTINGS = {
    "ecg": {"body": "roberta-mini", "source": "signals", "patch": 40, "optimizer.batch": 32},
    "darcy": {"body": "swin-mini", "source": "fractals", "optimizer.batch": 6},
}


def quietly(done, total):
    """No progress."""


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """A data root in which small files lie as the official ones would: the real loaders read them."""
    root = tmp_path_factory.mktemp("data")
    for name, recipe in RECIPES.items():
        raw = root / name / "raw"
        raw.mkdir(parents=True)
        tasks.get(name).write_synthetic(raw, recipe, quietly)
    return root


@pytest.fixture(scope="session")
def make_run(root):
    """Builds a short run of a task on the small data: `make_run("ecg", method="nft", epochs=2)`."""

    def make(task, **changes):
        settings = SETTINGS[task]
        keys = {
            name: store.prepare(tasks.get(name), root, "laptop", quietly).key for name in (task, settings["source"])
        }
        run = Run(
            task=task,
            data=keys[task],
            body=settings["body"],
            source=settings["source"],
            source_data=keys[settings["source"]],
            epochs=2,
        )
        rates = {f"optimizer.lr.{group}": 1e-3 for group in ("embedder", "body", "gate", "heads")}
        return run.replace({**settings, **rates, **changes})

    return make


@pytest.fixture(autouse=True)
def _no_library_chatter():
    logging.getLogger("optuna").setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def s3():
    """The address of an object store on this machine."""
    from moto.server import ThreadedMotoServer  # which takes a second, and few tests need it

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3_environment(s3):
    """Return the environment variables by which a process finds that store."""
    keys = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    return {**keys, "AWS_ENDPOINT_URL": s3, "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture
def store_url(s3_environment, monkeypatch):
    """The URL of a bucket of one's own in it, which this process and its children find."""
    import boto3

    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=name)
    bucket.opened.cache_clear()
    yield f"s3://{name}"
    bucket.opened.cache_clear()


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A place of one's own for the copies of buckets: of sweeps in `runs`, of data beside."""
    monkeypatch.setenv("PARE_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("PARE_RUNS", str(tmp_path / "cache" / "runs"))
    return tmp_path / "cache"


@pytest.fixture
def unused_port():
    """Gives a TCP port that nobody listens on."""

    def find():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return find
