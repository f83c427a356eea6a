"""This machine alone, before or without a Ray on it."""

from __future__ import annotations

import platform
from typing import Any

from pare.search.cluster import ray_internals


def node() -> dict[str, Any]:
    """This machine as `ray.nodes()` would list it."""
    resources, labels = ray_internals.detected_resources()
    return {"Alive": True, "NodeManagerHostname": platform.node(), "Labels": labels, "Resources": resources}
