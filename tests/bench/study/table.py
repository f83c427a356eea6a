"""What a study found: paired differences between arms with 95 % intervals, as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from tests.bench.study.arms import ARMS, BASELINE, EQUAL_TIME, REFERENCE
from tests.bench.study.settings import budget, provenance

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """Mean difference of an arm to another over the seeds that both have, and half the width of its interval."""

    mean: float
    half: float
    seeds: int
    better: int
    """Seeds in which the arm is strictly lower."""

    @property
    def verdict(self) -> str:
        if abs(self.mean) <= self.half or math.isnan(self.half):
            return "no difference shown"
        return "better" if self.mean < 0 else "worse"

    def __str__(self) -> str:
        return f"{self.mean:+.3g} ± {self.half:.2g} ({self.better}/{self.seeds})"


def paired(lines: Sequence[Line], task: str, arm: str, other: str, figure: str = "test") -> Difference | None:
    """The paired difference arm - other of a figure that is better lower; None below two common seeds."""
    values = {
        name: {line["seed"]: line[figure] for line in lines if (line["task"], line["arm"]) == (task, name)}
        for name in (arm, other)
    }
    seeds = sorted(values[arm].keys() & values[other].keys())
    if len(seeds) < 2:
        return None
    differences = np.array([values[arm][seed] - values[other][seed] for seed in seeds])
    error = float(differences.std(ddof=1)) / math.sqrt(len(seeds))
    half = float(stats.t.ppf(0.975, len(seeds) - 1)) * error
    return Difference(float(differences.mean()), half, len(seeds), int((differences < 0).sum()))


def finished(lines: Sequence[Line]) -> list[Line]:
    """The last line of every scored run that ended, by task, arm and seed."""
    ended = [line for line in lines if "error" not in line and line.get("final", True)]
    return list({(line["task"], line["arm"], line["seed"]): line for line in ended}.values())


def markdown(lines: Sequence[Line]) -> str:
    """A table per task: each arm's mean, its differences to `nft` and to its own baseline, its epochs and seconds."""
    lines = finished(lines)
    blocks = []
    for task in dict.fromkeys(line["task"] for line in lines):
        own = [line for line in lines if line["task"] == task]
        facts = (provenance(task), own[0]["metric"], f"{own[0]['labels']} labels", f"{own[0]['scored']} scored")
        blocks.append(f"**{task}** ({', '.join(facts)})\n")
        blocks.append(f"| {' | '.join(_COLUMNS)} |\n|---|{'--:|' * (len(_COLUMNS) - 1)}")
        blocks += [_row(own, task, arm) for arm in ARMS if any(line["arm"] == arm for line in own)]
        blocks.append("")
    return "\n".join(blocks)


def label_map(lines: Sequence[Line]) -> str:
    """A row per task and budget: the reference arm's differences to `nft`, at as many seconds too, and to `cutmix`."""
    lines = finished(lines)
    rivals = ("nft", EQUAL_TIME, "half-cutmix")
    rows = [
        "| task, labels (data, metric) | seeds | nft | "
        + " | ".join(f"{REFERENCE} − {rival}" for rival in rivals)
        + " |",
        f"|---|{'--:|' * (2 + len(rivals))}",
    ]
    for task in (name for name in dict.fromkeys(line["task"] for line in lines) if budget(name)[1]):
        own = [line for line in lines if (line["task"], line["arm"]) == (task, "nft")]
        found = [paired(lines, task, REFERENCE, rival) for rival in rivals]
        if not own or not all(found):
            continue
        name = f"{budget(task)[0]}, {own[0]['labels']} ({provenance(task)}, {own[0]['metric']})"
        cells = [name, str(len(own)), f"{np.mean([line['test'] for line in own]):.4g}", *map(str, found)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _row(own: Sequence[Line], task: str, arm: str) -> str:
    mine = [line for line in own if line["arm"] == arm]
    to_nft, loss = paired(own, task, arm, "nft"), paired(own, task, arm, "nft", "test_loss")
    to_time = paired(own, task, arm, EQUAL_TIME) if arm != EQUAL_TIME and ARMS[arm].mixes else None
    baseline = BASELINE.get(arm)
    against = paired(own, task, arm, baseline) if baseline not in (None, "nft") else None
    source = [f"{np.mean([line[name] for line in mine]):.2f}" for name in _SOURCE if name in mine[0]]
    cells = [
        arm,
        str(len(mine)),
        f"{np.mean([line['test'] for line in mine]):.4g}",
        str(to_nft) if to_nft and arm != "nft" else "",
        str(to_time or ""),
        f"{against} to {baseline}" if against else "",
        f"{loss.mean:+.3f} ± {loss.half:.3f}" if loss and arm != "nft" else "",
        ", ".join(source),
        f"{np.median([line['epochs'] for line in mine]):.0f}",
        _spent(mine),
    ]
    return f"| {' | '.join(cells)} |"


def _spent(mine: Sequence[Line]) -> str:
    """The median seconds of a run: of a core where they were counted, which other work does not change."""
    spent = []
    for device in dict.fromkeys(line["device"] for line in mine):
        own = [line for line in mine if line["device"] == device]
        name = "cpu_seconds" if device == "cpu" and any("cpu_seconds" in line for line in own) else "seconds"
        spent.append(f"{np.median([line[name] for line in own if name in line]):.1f} ({device})")
    return " / ".join(spent)


_COLUMNS = (
    "arm",
    "seeds",
    "test",
    "Δ to nft (seeds lower)",
    "Δ to nft, equal seconds",
    "Δ to its baseline",
    "Δ cross-entropy to nft",
    "source CE, accuracy",
    "epochs",
    "s",
)
_SOURCE = ("loss_source", "source_accuracy")
