"""The command `pare`: what it shows, what it refuses, and that every subcommand is there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pare
from pare import commands, tasks
from pare.commands import tensorboard
from pare.reporting import leaderboard
from pare.reporting.tables import Tables
from pare.search.request import Request
from tests.reporting.fakes import sweep


def _pare(*arguments, **environment):
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pare", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(pare.__file__).parent.parent)} | environment,
    )


def test_help_shows_every_command_in_a_line_of_its_own():
    done = _pare("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    for name, (_, line) in commands.COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert line in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_help_and_version_do_not_wait_for_libraries():
    code = "import sys; from pare.commands import main; main(['--version']); main([]); print(len(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"pare {pare.__version__}\n")
    assert int(done.stdout.split()[-1]) < 200
    imported = subprocess.run(
        [sys.executable, "-c", "import sys, pare; print(*sys.modules)"], capture_output=True, text=True
    )
    assert not {"numpy", "torch", "ray", "optuna", "rich"} & set(imported.stdout.split())


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_explains_itself(name, capsys):
    assert commands.main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Usage: " in shown
    if name in ("nas360", "pdebench", "openml-cc18", "ucr", "own"):
        assert f"pare {name}" in shown
        assert "--trials" in shown


def test_a_sweep_is_refused_as_by_its_script(capsys):
    assert commands.main(["nas360", "--trials", "0"]) == 2
    assert capsys.readouterr().err == "nas360: --trials is 0: give 1 or more\n"
    assert commands.main(["openml_cc18", "--tasks", "ecg"]) == 2


def test_a_wrong_name_is_told_with_the_nearest():
    done = _pare("nas306")
    assert done.returncode == 2
    assert done.stderr.startswith("pare: no command 'nas306': did you mean nas360? choose from own,")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def out(tmp_path):
    """A sweep's tables and manifest, without its page."""
    sweep(tables := Tables(tmp_path))
    tables.close()
    request = {name: getattr(Request(), name) for name in ("tasks", "methods", "trials")}
    machine = {"system": "Linux", "resources": {}}
    manifest = {"script": "nas360", "program": "pare nas360", "request": {**request, "trials": 4}, "versions": {}}
    (tmp_path / "sweep.json").write_text(json.dumps({**manifest, "commit": None, "machine": machine}))
    return tmp_path


def test_report_writes_page_and_leaderboard_anew(out, capsys):
    assert commands.main(["report", str(out)]) == 0
    assert "pare nas360 --trials 4" in (out / "report.html").read_text()
    written = (out / "leaderboard.md").read_text()
    (out / "leaderboard.md").unlink()
    leaderboard.write(out)
    assert (out / "leaderboard.md").read_text() == written
    assert "written: " in capsys.readouterr().out


def test_report_reads_a_sweep_of_an_earlier_version(tmp_path, capsys):
    out = shutil.copytree(Path(__file__).parent.parent / "search" / "fixtures" / "earlier_sweep", tmp_path / "out")
    assert commands.main(["report", str(out)]) == 0
    assert "python sweeps/nas360.py --tasks ecg" in (out / "report.html").read_text()
    assert "The search tried 3 trials" in (out / "leaderboard.md").read_text()


@pytest.mark.parametrize("name", ["report", "tensorboard"])
def test_a_directory_without_a_sweep_is_refused(name, tmp_path, capsys):
    for place, words in ((tmp_path, "holds no sweep"), (tmp_path / "x", "does not exist")):
        assert commands.main([name, str(place)]) == 2
        told = capsys.readouterr().err
        assert told == f"pare {name}: {place} {words}: give the directory that --out was, such as runs/nas360\n"


def test_a_damaged_manifest_is_named(out, capsys):
    (out / "sweep.json").write_text("{")
    assert commands.main(["report", str(out)]) == 2
    assert "sweep.json is damaged" in capsys.readouterr().err


def test_tensorboard_is_for_this_machine_and_keeps_few_files_open(out, monkeypatch):
    ran = []
    monkeypatch.setattr(tensorboard, "_become", lambda words: ran.append(words) or 0)
    assert commands.main(["tensorboard", str(out), "--port", "7007"]) == 0
    assert commands.main(["tensorboard", "s3://bucket/run/"]) == 0
    assert ran[0][1:3] == ["-m", "tensorboard.main"]
    assert " ".join(ran[0][3:]) == f"--load_fast false --host 127.0.0.1 --logdir {out / 'tb'} --port 7007"
    assert ran[1][-2:] == ["--logdir", "s3://bucket/run/tb"]


def test_code_from_results_is_not_run(out, tmp_path, monkeypatch, capsys):
    """A task in Python is taken from the file that the sweep had it from, and only if that is unchanged."""
    monkeypatch.setattr(tasks, "_own", [])
    manifest = json.loads((out / "sweep.json").read_text())
    code = tmp_path / "mine.py"
    for written, known in (("x = 1", True), ("x = 2", False), (None, False)):
        code.write_text(written) if written else code.unlink()
        (out / "sweep.json").write_text(json.dumps({**manifest, "definitions": {str(code): "x = 1"}}))
        tasks.adopt([])
        commands.report.directory.adopt_tasks(out)
        assert [own.path for own in tasks.definitions()] == [str(code)] * known
