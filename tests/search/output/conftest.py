import pytest

from pare.bucket import Folder
from tests.search.output.machines import machine


@pytest.fixture
def remote(store_url):
    return Folder(f"{store_url}/run")


@pytest.fixture
def out(tmp_path):
    return machine(tmp_path, "out")
