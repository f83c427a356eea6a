"""The wheel, installed apart from this checkout: the command, the benchmarks, and all files beside the code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pare

ROOT = Path(pare.__file__).parent.parent


def _run(*words, **options):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with nothing but the installed wheel, and the environment in which Python finds it first."""
    folder = tmp_path_factory.mktemp("wheel")
    source, site = folder / "source", folder / "site"
    shutil.copytree(ROOT / "pare", source / "pare", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    # Nothing is downloaded: PyTorch brings setuptools, and the dependencies are those of this environment.
    _run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("pare_sweep-*.whl")
    _run(*pip, "install", "--no-deps", "--no-index", "--target", site, wheel)
    return site, os.environ | {"PYTHONPATH": str(site)}


def test_the_command_shows_a_benchmarks_options(installed):
    site, environment = installed
    elsewhere = {"env": environment, "cwd": site.parent}
    assert _run(site / "bin" / "pare", "--version", **elsewhere) == f"pare {pare.__version__}\n"
    shown = _run(site / "bin" / "pare", "nas360", "--help", **elsewhere)
    assert "Sweep PaRe over the ten tasks of NAS-Bench-360." in shown
    assert "--trials" in shown
    where = _run(sys.executable, "-c", "import pare; print(pare.__file__)", **elsewhere)
    assert Path(where.strip()).is_relative_to(site)


def test_every_file_beside_the_code_is_there(installed):
    site, _ = installed
    beside = [path.relative_to(ROOT) for path in (ROOT / "pare").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert not [path for path in beside if not (site / path).is_file()]
    assert {path.name for path in site.iterdir()} - {"bin"} == {"pare", f"pare_sweep-{pare.__version__}.dist-info"}
