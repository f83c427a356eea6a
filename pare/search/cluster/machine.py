"""The resources of this machine, without starting Ray."""

from __future__ import annotations

import platform
from typing import Any

from pare.search.cluster import ray_internals


def node() -> dict[str, Any]:
    """Describe this machine in the format of `ray.nodes()`."""
    resources, labels = ray_internals.detected_resources()
    return {"Alive": True, "NodeManagerHostname": platform.node(), "Labels": labels, "Resources": resources}
