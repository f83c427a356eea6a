"""What each method's own search found: its winner on fresh seeds, beside the baselines on the same rows."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.study.table import Line, finished


def markdown(lines: Sequence[Line]) -> str:
    return f"{len(finished(lines))} runs"
