"""The names of a sweep's files are a contract: no other module spells them, and the README lists them."""

import re
from pathlib import Path

import pare
from pare.layout import SweepDir

ROOT = Path(pare.__file__).parent
SPELLED = re.compile(r"""["'](sweep\.json|study\.db|spent\.json|leaderboard\.(md|parquet))["']""")


def test_no_other_module_spells_a_path():
    others = [path for path in ROOT.rglob("*.py") if path != ROOT / "layout.py"]
    assert not [path.name for path in others if SPELLED.search(path.read_text(encoding="utf-8"))]


def test_the_readme_lists_what_a_sweep_leaves():
    readme = (ROOT.parent / "README.md").read_text(encoding="utf-8")
    out, task = SweepDir(Path()), SweepDir(Path()).task("<task>")
    tables = [task.table(name) for name in ("trials", "curves", "confirm", "baselines")]
    for path in (out.manifest, out.report, out.leaderboard_page, task.study, task.best, *tables):
        assert f"\n{path}" in readme, path
