"""The node types that a cluster's autoscaler may start, read from its YAML file or its Kubernetes resource."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import ray
import requests
import yaml

from pare.search.cluster import ray_internals

NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""The file in a pod that holds the name of its namespace."""

HEAD = "node:__internal_head__"
"""The resource that only the head node has."""

Resources = Mapping[str, float]


@dataclass(frozen=True)
class NodeType:
    """A node type: the resources of a node, empty if only the machine itself knows them, and the maximum of nodes."""

    resources: Resources
    most: int


@dataclass(frozen=True)
class Autoscaler:
    """A running autoscaler: the node types of its workers, and the maximum number of workers over all types."""

    kinds: Sequence[NodeType]
    most: int

    @property
    def on_demand(self) -> bool:
        """Whether it starts workers on demand. An autoscaler for a list of own machines starts them all at once."""
        return all(kind.resources for kind in self.kinds)

    def reach(self, nodes: Sequence[Mapping[str, Any]]) -> list[Resources]:
        """Return the resources of each node when the cluster is at its largest; `nodes` comes from `ray.nodes()`.

        A machine of unknown resources counts as the largest one present.
        """
        alive = [node["Resources"] for node in nodes if node["Alive"]]
        heads = [each for each in alive if HEAD in each]
        if not self.on_demand:
            there = sorted((each for each in alive if HEAD not in each), key=_size)
            return heads + there + there[-1:] * max(self.most - len(there), 0)
        workers = [kind.resources for kind in self.kinds for _ in range(kind.most)]
        return heads + sorted(workers, key=_size, reverse=True)[: self.most]


def _size(resources: Resources) -> tuple[float, float]:
    return resources.get("GPU", 0), resources.get("CPU", 0)


def at_work() -> Autoscaler | None:
    """Return the autoscaler of the connected cluster; None if its nodes are fixed."""
    config = _followed(ray.get_runtime_context().gcs_address) or _kuberay()
    return parse(config) if config else None


def parse(config: Mapping[str, Any]) -> Autoscaler:
    """Parse a configuration in the format of Ray's cluster launcher."""
    most, head, own = config["max_workers"], config["head_node_type"], config["provider"]["type"] == "local"
    kinds = [
        NodeType(
            {key: float(amount) for key, amount in kind.get("resources", {}).items()}, kind.get("max_workers", most)
        )
        for name, kind in config["available_node_types"].items()
        if name != head or own  # own machines are one node type, which includes the head
    ]
    return Autoscaler(kinds, min(most, sum(kind.most for kind in kinds)))


def _followed(address: str) -> dict[str, Any] | None:
    """Read the configuration of the autoscaler on this machine's head node, if a cluster launcher started it.

    The path comes from the command line of the running process: a file on disk may be an earlier cluster's.
    """
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if f"--gcs-address={address}" in words:
            for word in words:
                if word.startswith("--autoscaling-config="):
                    path = Path(word.partition("=")[2]).expanduser()
                    config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
                    return config
    return None


def _kuberay() -> dict[str, Any] | None:
    """Return the configuration that KubeRay's autoscaler, a sidecar of the head, derives from its resource."""
    name = os.environ.get("RAY_CLUSTER_NAME")
    if not name or not NAMESPACE.exists():
        return None
    namespace = NAMESPACE.read_text(encoding="utf-8").strip()
    try:
        cluster = ray_internals.kuberay_cluster(namespace, name)
    except requests.RequestException:
        return None  # KubeRay lets the head read the resource only if the cluster scales
    if not cluster["spec"].get("enableInTreeAutoscaling"):
        return None
    return ray_internals.kuberay_config(namespace, name)
