"""What cannot be is refused before anything heavy is imported: in a process of its own, that nothing was."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("optuna", "peft", "pandas", "ray", "sklearn", "torch", "transformers")
PROGRAM = """
import json, sys
from pare.search.command import main
from sweeps import nas360
code = main("nas360", "", nas360.PRESETS, sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


def refused(arguments, folder):
    options = {"OUT": str(folder / "out"), "FILE": str(folder / "file"), "LLAMA": str(folder / "llama")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *(options.get(word, word) for word in arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 2
    assert done.stderr.count("\n") == 1
    return done.stderr, {name for name in HEAVY if name in modules}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--trails", "3"], "Unknown option"),
        (["--trials", "many"], '"many"'),
        (["--seeds", "0"], "--seeds is 0: give 1 or more"),
        (["--tasks", "mnist"], "unknown task 'mnist': choose from"),
        (["--tasks", "fractals"], "'fractals', which is a source"),
        (["--methods", "magic"], '"magic"'),
        (["--share", "minutes"], '"minutes"'),
        (["--set", "optimizer.btach=3"], "did you mean optimizer.batch?"),
        (["--search", "optimizer.batch=3:1"], "give a lower end below the upper one"),
        (["--space-file", "OUT"], "Is a directory"),
        (["--source", "mnist"], "--source is 'mnist': choose from"),
        (["--body", "nonsense"], "body 'nonsense' is neither"),
        (["--body", "OUT"], "/out' is empty: give a folder"),
        (["--body", "LLAMA"], "/llama' is of type 'llama': choose one of beit, "),
        (["--out", "FILE"], "File exists; give a directory that can be written"),
        (["--out", "OUT", "--data-root", "s3://a b/c"], "--data-root is 's3://a b/c'"),
    ],
)
def test_a_refusal_imports_nothing_heavy(arguments, named, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "llama").mkdir()
    (tmp_path / "llama" / "config.json").write_text('{"model_type": "llama"}')
    said, imported = refused(arguments, tmp_path)
    assert named in said
    assert not imported
    assert not list((tmp_path / "out").rglob("*.json"))


def test_more_than_this_machine_has_is_refused_without_starting_ray(tmp_path):
    said, imported = refused(["--workers-per-trial", "4096", "--out", "OUT"], tmp_path)
    assert "--workers-per-trial is 4096: the cluster holds" in said
    assert not imported & {"torch", "transformers", "sklearn", "peft"}
