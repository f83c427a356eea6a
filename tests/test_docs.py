"""The pages for readers: their links, paths, modules, options and commands exist, and the versions agree."""

import functools
import re
import shlex
import string
from pathlib import Path

import pytest
import yaml

import pare
from pare import commands, tasks
from pare.commands import openml_cc18, own, ucr
from pare.errors import RequestError
from pare.reporting import schema
from pare.search.request import Request, parse

ROOT = Path(pare.__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
KINDS = {"own": own.Own, "openml-cc18": openml_cc18.OpenMLTables, "ucr": ucr.ArchiveSets}
"""Requests of the sweeps that have options of their own."""

FOLDERS = "|".join(("pare", "sweeps", "cluster", "tests", "docs", ".ci", ".github"))
OTHERS = {
    *("--constraint", "--editable", "--exclude-editable", "--quiet"),  # pip
    *("--load_fast", "--logdir", "--port", "--host"),  # tensorboard
    *("--port-forward", "--dist", "--check"),  # ray, pytest, ruff
}
"""Options of programs that are not ours."""

pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def _blocks(text):
    """Return the lines of a page's shell blocks, continued lines joined."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from block.replace("\\\n", " ").splitlines()


def _anchor(heading):
    """Return the anchor that GitHub gives a heading."""
    kept = string.ascii_lowercase + string.digits + "-_ "
    return "".join(c for c in heading.lower() if c in kept or ord(c) > 127).replace(" ", "-")


@pages
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        place, _, anchor = link.partition("#")
        target = page.parent / place if place else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(_anchor, headings), link


@pages
def test_paths_exist(page):
    for code in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")):
        for path in re.findall(rf"(?<![\w/.:~<])((?:{FOLDERS})/[\w./-]*\w/?)(?![\w<*{{])", code):
            stands_for_a_name = any(part.isupper() and "." not in part for part in path.split("/"))
            assert stands_for_a_name or (ROOT / path).exists(), path


@pages
def test_modules_exist(page):
    for name in re.findall(r"python3? -m ((?:pare|tests)[\w.]*)", page.read_text(encoding="utf-8")):
        place = ROOT / name.replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), name


@pytest.fixture(scope="module")
def options():
    """Every option that this project has, as it is written."""
    fields = {field for kind in (Request, *KINDS.values()) for field in kind.__dataclass_fields__}
    ours = {f"--{field.strip('_').replace('_', '-')}" for field in fields} | {"--help", "--version"}
    ours |= {f"--no-{option[2:]}" for option in ours}
    sources = [*(ROOT / "cluster").glob("*.py"), *(ROOT / "tests").rglob("*.py"), ROOT / "pare/tasks/prepare.py"]
    spelled = {
        found for path in sources for found in re.findall(r'"(--[a-z][\w-]*)"', path.read_text(encoding="utf-8"))
    }
    return ours | spelled | OTHERS | {"--from", "--download", "--verify"}


@pages
def test_options_exist(page, options):
    text = page.read_text(encoding="utf-8")
    code = re.findall(r"`([^`\n]+)`", text) + list(_blocks(text))
    named = {option for part in code for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", part)}
    assert not named - options


@pages
def test_sweeps_in_shell_blocks_would_be_accepted(page):
    for line in _blocks(page.read_text(encoding="utf-8")):
        found = re.search(r"(?:sweeps/(\w+)\.py|(?:^|\s|/)pare ([a-z][\w-]*))([^'&|;]*)", line)
        if not found:
            continue
        name = (found[1] or found[2]).replace("_", "-")
        assert name in commands.COMMANDS, line
        if name in ("prepare", "report", "tensorboard"):
            continue
        words = shlex.split(re.sub(r"\$\w+", "1", found[3]), comments=True)
        try:
            parse(name, "", words, KINDS.get(name, Request))
        except RequestError as error:
            pytest.fail(f"{line}: {error}")


@pages
def test_python_blocks_are_python(page):
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        compile(block, page.name, "exec")


def test_every_column_is_explained():
    page = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8").split("## Every column")[1]
    for fields in (
        *map(
            schema.schema,
            (schema.TRIALS, schema.CURVES, schema.RACE, schema.CONFIRM, schema.PUBLISHED, schema.BASELINES),
        ),
        schema.leaderboard(),
    ):
        names = {field.name for field in fields if not field.name.startswith("config.")}
        assert not {name for name in names if f"`{name}`" not in page}


def test_every_page_says_what_its_reader_can_do_after():
    for page in (ROOT / "docs").glob("*.md"):
        assert "After this page" in page.read_text(encoding="utf-8").split("##")[0], page.name


def test_the_example_of_own_data_runs(root, tmp_path, monkeypatch, capsys):
    """The first Python block as it stands, but for a smaller sweep."""
    text = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
    first, second = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert first in (ROOT / "README.md").read_text(encoding="utf-8")
    small = {"preset": "laptop", "executor": "inline", "trials": 1, "epochs": 1, "seeds": 1, "data_root": root}
    monkeypatch.setattr(tasks, "_own", [])
    monkeypatch.setattr(pare, "sweep", functools.partial(pare.sweep, **small), raising=False)
    monkeypatch.chdir(tmp_path)
    space = {}
    exec(first, space)
    assert "logistic regression" in capsys.readouterr().out
    exec(second, space)
    assert space["model"].predict(space["x"]).shape == (600, 2)


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == pare.__version__
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert f"\n## {pare.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
