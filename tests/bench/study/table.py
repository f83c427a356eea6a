"""What a study found: paired differences between arms with 95 % intervals, as a table and as a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from tests.bench.study.arms import ARMS, BASELINE

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
        return f"{self.mean:+.4f} ± {self.half:.4f} ({self.better}/{self.seeds})"


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
    """The last line of every run that ended, by task, arm and seed."""
    return list({(line["task"], line["arm"], line["seed"]): line for line in lines if "error" not in line}.values())


def markdown(lines: Sequence[Line]) -> str:
    """A table per task: each arm's mean, its difference to `nft` and to its own baseline, its seconds and epochs."""
    lines = finished(lines)
    blocks = []
    for task in dict.fromkeys(line["task"] for line in lines):
        own = [line for line in lines if line["task"] == task]
        blocks.append(f"**{task}** ({own[0]['metric']}, {own[0]['labels']} labels, {own[0]['scored']} scored)\n")
        blocks.append(
            "| arm | seeds | test | Δ to nft (seeds lower) | Δ to its baseline | Δ cross-entropy to nft "
            "| source CE, accuracy | epochs | s |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
        )
        blocks += [_row(own, task, arm) for arm in ARMS if any(line["arm"] == arm for line in own)]
        blocks.append("")
    return "\n".join(blocks)


def _row(own: Sequence[Line], task: str, arm: str) -> str:
    mine = [line for line in own if line["arm"] == arm]
    to_nft, loss = paired(own, task, arm, "nft"), paired(own, task, arm, "nft", "test_loss")
    baseline = BASELINE.get(arm)
    against = paired(own, task, arm, baseline) if baseline not in (None, "nft") else None
    source = [f"{np.mean([line[name] for line in mine]):.2f}" for name in _SOURCE if name in mine[0]]
    seconds = {device: [line["seconds"] for line in mine if line["device"] == device] for device in ("cpu", "cuda")}
    spent = " / ".join(f"{np.median(values):.1f} ({device})" for device, values in seconds.items() if values)
    cells = [
        arm,
        str(len(mine)),
        f"{np.mean([line['test'] for line in mine]):.4f}",
        str(to_nft) if to_nft and arm != "nft" else "",
        f"{against} to {baseline}" if against else "",
        f"{loss.mean:+.3f} ± {loss.half:.3f}" if loss and arm != "nft" else "",
        ", ".join(source),
        f"{np.median([line['epochs'] for line in mine]):.0f}",
        spent,
    ]
    return f"| {' | '.join(cells)} |"


_SOURCE = ("loss_source", "source_accuracy")
_WIDTH, _ROW, _LEFT, _MARGIN = 900, 26, 230, 24
_INK, _GREY, _GOOD, _BAD = (30, 30, 30), (190, 190, 190), (20, 110, 60), (170, 50, 40)


def figure(lines: Sequence[Line], path: Path) -> None:
    """Draw the differences to `nft` with their intervals, a panel a task; left of the line is better."""
    from PIL import Image, ImageDraw, ImageFont  # a machine that only trains may lack it

    lines = finished(lines)
    panels = []
    for task in dict.fromkeys(line["task"] for line in lines):
        found = {arm: paired(lines, task, arm, "nft") for arm in ARMS if arm != "nft" and "+" not in arm}
        panels.append((task, {arm: difference for arm, difference in found.items() if difference}))
    height = sum(2 * _MARGIN + 44 + _ROW * len(rows) for _, rows in panels)
    image = Image.new("RGB", (_WIDTH, max(height, 60)), "white")
    draw, font, top = ImageDraw.Draw(image), ImageFont.load_default(15), _MARGIN
    for task, rows in panels:
        metric = next(line["metric"] for line in lines if line["task"] == task)
        draw.text((16, top), f"{task}: {metric}, difference to nft on the same seeds, 95 % interval", _INK, font)
        top = _panel(draw, rows, top + 30, font) + _MARGIN
    image.save(path)


def _panel(draw: Any, rows: Mapping[str, Difference], top: int, font: Any) -> int:
    reach = max((abs(d.mean) + d.half for d in rows.values() if not math.isnan(d.half)), default=1.0) * 1.05 or 1.0
    middle, scale = (_LEFT + _WIDTH - 20) / 2, (_WIDTH - 20 - _LEFT) / 2 / reach
    bottom = top + _ROW * len(rows)
    draw.line([(middle, top), (middle, bottom)], fill=_GREY, width=2)
    for index, (arm, difference) in enumerate(rows.items()):
        y = top + _ROW * index + _ROW // 2
        colour = {"better": _GOOD, "worse": _BAD}.get(difference.verdict, _INK)
        draw.text((16, y - 9), f"{arm} ({difference.seeds})", _INK, font)
        ends = [(middle + scale * (difference.mean + sign * difference.half), y) for sign in (-1, 1)]
        draw.line(ends, fill=colour, width=2)
        at = middle + scale * difference.mean
        draw.ellipse([(at - 4, y - 4), (at + 4, y + 4)], fill=colour)
    for value in (-reach, 0.0, reach):
        draw.text(
            (middle + scale * value - (0 if value < 0 else 40 if value > 0 else 8), bottom + 4),
            f"{value:+.3f}" if value else "0",
            _GREY,
            font,
        )
    return bottom + 22
