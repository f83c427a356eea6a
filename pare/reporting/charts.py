"""The charts of `report.html`, from rows of the tables to Plotly's JSON: traces and layout, plain dicts.

Colours that depend on the reader's light or dark theme are left to the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pare.data.task import Task
from pare.reporting.records import describe
from pare.reporting.tables import Row

Chart = dict[str, Any]

COLOURS: Mapping[str, str] = {
    "pare": "#e8590c",
    "nft": "#228be6",
    "cutmix": "#0ca678",
    "orca": "#9c36b5",
    "fpt": "#e64980",
    "scratch": "#868e96",
    "pare-random": "#f59f00",
    "mona": "#5f3dc4",
    "nft-random-embedder": "#66d9e8",
}
_SYMBOLS = {"complete": "circle", "pruned": "x-thin-open", "failed": "triangle-down-open", "running": "circle-open"}
_PER_METHOD = 3
"""Number of curves per method."""

DRAWN = 2_000
"""Trials up to which the history shows every one; more would make the page slow in a browser."""


def history(task: Task, trials: Sequence[Row]) -> Chart:
    """Plot each trial's objective in the order of their starts, and the best complete one so far.

    With more than `DRAWN` trials it shows an even subset, and each trial that was the best so far.
    """
    numbered = list(enumerate(sorted(trials, key=lambda row: row["started"]), start=1))
    steps: list[tuple[int, float]] = []
    for number, row in numbered:
        value = row["objective"]
        if row["state"] == "complete" and value is not None and (not steps or task.metric.better(value, steps[-1][1])):
            steps.append((number, value))
    every, bests = -(-len(numbered) // DRAWN), {number for number, _ in steps}
    shown = [(number, row) for number, row in numbered if number % every == 0 or number in bests] if every else []
    traces: list[Any] = []
    for method in dict.fromkeys(row["method"] for _, row in shown):
        own = [(number, row) for number, row in shown if row["method"] == method and row["objective"] is not None]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": method,
                "x": [number for number, _ in own],
                "y": [row["objective"] for _, row in own],
                "text": [f"{row['trial']}: {row['state']}, {row['epochs']} epochs" for _, row in own],
                "hovertemplate": "%{text}<br>%{y:.4g}<extra></extra>",
                "marker": {
                    "color": COLOURS[method],
                    "size": 9,
                    "symbol": [_SYMBOLS[row["state"]] for _, row in own],
                    "line": {"width": 2, "color": COLOURS[method]},
                },
            }
        )
    if steps:
        steps.append((len(numbered), steps[-1][1]))
        line = {"shape": "hv", "width": 1.5, "dash": "dot", "color": "#868e96"}
        name = {"name": "best complete", "hovertemplate": "best so far %{y:.4g}<extra></extra>"}
        x, y = zip(*steps, strict=True)
        traces.append({"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, **name})
    return _chart(traces, "trial", describe(task.metric), counted=len(numbered))


def best_of_methods(task: Task, trials: Sequence[Row]) -> dict[str, list[Row]]:
    """Return each method's best trials, whose curves are plotted."""
    methods = dict.fromkeys(row["method"] for row in trials)
    return {name: best(task, [row for row in trials if row["method"] == name])[:_PER_METHOD] for name in methods}


def curves(task: Task, trials: Sequence[Row], points: Sequence[Row]) -> Chart:
    """Plot the validation metric by epoch of each method's best trials; `points` are rows of curves with theirs."""
    traces = []
    for method, rows in best_of_methods(task, trials).items():
        for rank, row in enumerate(rows):
            own = sorted((p for p in points if p["trial"] == row["trial"]), key=lambda p: p["epoch"])
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers" if len(own) == 1 else "lines",
                    "name": row["trial"],
                    "x": [point["epoch"] for point in own],
                    "y": [point["val_metric"] for point in own],
                    "line": {"color": COLOURS[method], "width": 2.5 - 0.6 * rank},
                    "opacity": 1 - 0.25 * rank,
                    "hovertemplate": row["trial"] + "<br>epoch %{x}: %{y:.4g}<extra></extra>",
                }
            )
    longest = max((point["epoch"] for point in points), default=0)
    return _chart(traces, "epoch", f"validation {task.metric.name}", counted=longest)


def importance(shares: Mapping[str, float]) -> Chart:
    """Plot the importance of each setting as shares that sum to one."""
    ranked = sorted(shares.items(), key=lambda pair: pair[1])
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [share for _, share in ranked],
        "y": [name for name, _ in ranked],
        "marker": {"color": "#e8590c"},
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }
    chart = _chart([bars], "importance", "")
    chart["layout"] |= {"height": 110 + 22 * len(ranked), "showlegend": False}
    chart["layout"]["yaxis"] |= {"automargin": True}
    return chart


def confirmation(task: Task, runs: Sequence[Row]) -> Chart:
    """Plot the test metric of every confirmation run, by method, and the means over seeds."""
    traces: list[Any] = []
    for method in dict.fromkeys(row["method"] for row in runs):
        own = [row for row in runs if row["method"] == method and row["test"] is not None]
        if own:
            hover = {
                "text": [f"seed {row['seed']}" for row in own],
                "hovertemplate": "%{text}: %{x:.4g}<extra></extra>",
            }
            values = [row["test"] for row in own]
            colour = COLOURS[method]
            traces += [
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": method,
                    "x": values,
                    "y": [method] * len(own),
                    "marker": {"color": colour, "size": 9, "opacity": 0.7},
                    **hover,
                },
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": f"{method}, mean",
                    "x": [sum(values) / len(values)],
                    "y": [method],
                    "marker": {"color": colour, "size": 22, "symbol": "line-ns-open", "line": {"width": 3}},
                    "hovertemplate": "mean %{x:.4g}<extra></extra>",
                },
            ]
    chart = _chart(traces, f"test {describe(task.metric)}", "")
    chart["layout"] |= {"height": 120 + 34 * len(traces) // 2, "showlegend": False}
    chart["layout"]["yaxis"] |= {"type": "category", "automargin": True}
    return chart


def best(task: Task, trials: Sequence[Row]) -> list[Row]:
    """Sort trials from best to worst, complete ones first."""
    measured = [row for row in trials if row["objective"] is not None]
    sign = 1 if task.metric.direction == "minimize" else -1
    return sorted(measured, key=lambda row: (row["state"] != "complete", sign * row["objective"]))


def _chart(traces: Sequence[Any], x: str, y: str, counted: int = 0) -> Chart:
    """Build a chart; `counted`, the largest whole number on the horizontal axis, keeps its ticks whole."""
    whole = {"dtick": max(1, round(counted / 8)), "tick0": 0} if counted else {}
    return {"data": list(traces), "layout": {"height": 320, "xaxis": {"title": x, **whole}, "yaxis": {"title": y}}}
