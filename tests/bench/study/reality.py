"""What each method's own search found: its best configuration on fresh seeds, beside baselines on the same rows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tests.bench.study.arms import ARMS
from tests.bench.study.settings import budget, provenance
from tests.bench.study.table import Line, finished, paired

MARKS = {"better": " **↓**", "worse": " ↑"}
"""Behind a difference to `nft` whose interval leaves 0 out."""


def markdown(lines: Sequence[Line]) -> str:
    """A table of test figures, a row a block and a column a method, and one of what the searches tried."""
    scored = finished(lines)
    arms = [arm for arm in ARMS if any(line["arm"] == arm for line in scored)]
    methods = [arm for arm in arms if not ARMS[arm].baseline]
    blocks = list(dict.fromkeys(line["task"] for line in scored if not ARMS[line["arm"]].baseline))
    rows = [[_title(task, scored), *(_cell(scored, task, arm) for arm in arms)] for task in blocks]
    searched = [[_title(task, scored), *(_searched(lines, scored, task, arm) for arm in methods)] for task in blocks]
    return f"{_table(['', *arms], rows)}\n\n{_table(['', *methods], searched)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _title(task: str, scored: Sequence[Line]) -> str:
    own = next(line for line in scored if line["task"] == task)
    facts = f"{provenance(task)}, {own['metric']}, {own['scored']} scored"
    return f"{budget(task)[0]}, {own['labels']} labels ({facts})"


def _cell(scored: Sequence[Line], task: str, arm: str) -> str:
    """The mean over seeds; behind it the paired difference to `nft` with its interval."""
    found = [line["test"] for line in scored if (line["task"], line["arm"]) == (task, arm)]
    if not found:
        return ""
    mean = f"{statistics.mean(found):.3g}"
    difference = paired(scored, task, arm, "nft") if arm != "nft" else None
    if difference is None:
        return f"{mean} ({len(found)} seeds)"
    return f"{mean} ({difference.mean:+.2g} ± {difference.half:.2g}){MARKS.get(difference.verdict, '')}"


def _searched(lines: Sequence[Line], scored: Sequence[Line], task: str, arm: str) -> str:
    """How many configurations were tried, which of them was the best, in how many seconds."""
    trials = [line for line in lines if (line["task"], line["arm"], line.get("final")) == (task, arm, False)]
    trials = [line for line in trials if "error" not in line or line.get("refused")]
    best = next((line["trial"] for line in scored if (line["task"], line["arm"]) == (task, arm)), None)
    if not trials or best is None:
        return ""
    return f"{len(trials)}, no. {best + 1}, {sum(line['wall'] for line in trials):.0f} s"
