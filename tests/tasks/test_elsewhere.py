"""Tasks that are not of this package: the documented example, found by its path and by an entry point."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from pare import tasks
from pare.config import Run
from pare.data import store
from pare.errors import RequestError
from pare.tasks.own import task as own

EXAMPLE = Path(__file__).with_name("example.py")


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(tasks, "_own", [])


def _quiet(done, total):
    pass


def test_a_file_is_found_by_its_path_and_then_by_its_name_elsewhere(tmp_path):
    task = tasks.get(str(EXAMPLE))
    assert task.name == "pitch"
    own._load.cache_clear()  # as another process has it
    again = tasks.get("pitch")
    data = store.prepare(again, tmp_path, "laptop", _quiet)
    assert (data.provenance, data.counts) == ("simulated", {"train": 168, "val": 36, "test": 36})
    assert data.split("test").x.shape[1:] == again.shape


def test_another_process_needs_no_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(EXAMPLE.read_text())
    tasks.get(str(path))
    told = pickle.loads(pickle.dumps(tasks.definitions()))
    path.unlink()
    own._load.cache_clear()
    tasks.adopt(())
    with pytest.raises(RequestError, match="unknown task 'pitch'"):
        tasks.get("pitch")
    tasks.adopt(told)
    assert tasks.get("pitch").title == "Pitch (example)"


def test_the_example_is_a_task_as_any_other(tmp_path):
    task = tasks.get(str(EXAMPLE))
    for settings in (task.paper, {**task.paper, **task.laptop}):
        assert Run(task=task.name, data="", body="", source="", source_data="").replace(settings)
    assert task.encode(np.zeros((2, 200))).shape == (2, *task.shape)
    with pytest.raises(RequestError):
        task.encode(np.zeros((2, 7)))


def test_an_installed_package_names_its_task_as_an_entry_point(tmp_path, monkeypatch):
    (tmp_path / "my_pitch.py").write_text(EXAMPLE.read_text().replace('name = "pitch"', 'name = "my-pitch"'))
    info = tmp_path / "my_pitch-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-pitch\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pare.tasks]\nmy-pitch = my_pitch:TASK\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert tasks.get("my-pitch").title == "Pitch (example)"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        ("import nothing_of_this_name", "cannot be imported (ModuleNotFoundError"),
        ("x = (", "cannot be imported (SyntaxError"),
        ("TASK = 3", "defines no TASK"),
        (EXAMPLE.read_text().replace('name = "pitch"', 'name = "ecg"'), "defines a task 'ecg', which is another one"),
    ],
)
def test_other_files_are_refused_in_a_line(tmp_path, content, words):
    path = tmp_path / "mine.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RequestError) as error:
        tasks.get(str(path))
    assert words in str(error.value)
    assert "\n" not in str(error.value)
