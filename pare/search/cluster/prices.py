"""Prices of nodes in dollars per hour, for planning a sweep and capping its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PRICE_LABEL, TYPE_LABEL = "usd-per-hour", "instance-type"
"""Labels of a node, set in the cluster's YAML: its price, or its instance type for the table below."""

# On demand, Linux, us-east-1, dollars per hour, recalled in November 2026 and not looked up: prices change, and a
# spot node costs 30 to 70 % of these. A node's `usd-per-hour` label takes precedence over the table.
ON_DEMAND: Mapping[str, float] = {
    "m7i.large": 0.1008,
    "m7i.xlarge": 0.2016,
    "m7i.2xlarge": 0.4032,
    "g4dn.xlarge": 0.526,
    "g5.xlarge": 1.006,
    "g5.2xlarge": 1.212,
    "g5.12xlarge": 5.672,
    "g6.xlarge": 0.8048,
    "g6.2xlarge": 0.9776,
    "g6.12xlarge": 4.6016,
    "g6e.xlarge": 1.861,
    "p4d.24xlarge": 21.958,
    "p5.48xlarge": 55.04,
}


def per_hour(nodes: Sequence[Mapping[str, Any]]) -> tuple[float, list[str]]:
    """Return the dollars per hour of all living nodes in `ray.nodes()`, and the names of those without a price."""
    total, unknown = 0.0, []
    for node in nodes:
        if not node["Alive"]:
            continue
        price = _price(node.get("Labels") or {})
        if price is None:
            unknown.append(node["NodeManagerHostname"])
        else:
            total += price
    return total, unknown


def _price(labels: Mapping[str, str]) -> float | None:
    if PRICE_LABEL in labels:
        try:
            return max(float(labels[PRICE_LABEL]), 0.0)
        except ValueError:
            return None
    return ON_DEMAND.get(labels.get(TYPE_LABEL, ""))
