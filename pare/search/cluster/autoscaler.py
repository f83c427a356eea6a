"""What the autoscaler of a cluster may start, as the file or the Kubernetes resource says that it follows."""

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
"""Where a pod finds the name of its namespace."""

HEAD = "node:__internal_head__"
"""A resource that the head node has, and no other."""

Resources = Mapping[str, float]


@dataclass(frozen=True)
class NodeType:
    """Machines of one sort: what each has, empty where only the machine itself knows, and how many there may be."""

    resources: Resources
    most: int


@dataclass(frozen=True)
class Autoscaler:
    """An autoscaler at work: the kinds of workers that it starts, and how many of all kinds together."""

    kinds: Sequence[NodeType]
    most: int

    @property
    def on_demand(self) -> bool:
        """Whether it starts workers when asked. One for a list of own machines starts them all, unasked."""
        return all(kind.resources for kind in self.kinds)

    def reach(self, nodes: Sequence[Mapping[str, Any]]) -> list[Resources]:
        """What each node has when the cluster is at its largest; `nodes` as `ray.nodes()` lists them.

        Machines of which nothing is known count as the largest that are there.
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
    """The autoscaler of the connected cluster; None where the nodes are those that there are."""
    config = _followed(ray.get_runtime_context().gcs_address) or _kuberay()
    return parse(config) if config else None


def parse(config: Mapping[str, Any]) -> Autoscaler:
    """What a configuration allows, in the format of Ray's cluster launcher."""
    most, head, own = config["max_workers"], config["head_node_type"], config["provider"]["type"] == "local"
    kinds = [
        NodeType(
            {key: float(amount) for key, amount in kind.get("resources", {}).items()}, kind.get("max_workers", most)
        )
        for name, kind in config["available_node_types"].items()
        if name != head or own  # own machines are of one kind, the head among them
    ]
    return Autoscaler(kinds, min(most, sum(kind.most for kind in kinds)))


def _followed(address: str) -> dict[str, Any] | None:
    """The file that the autoscaler of this machine's head follows, if a cluster launcher started it.

    A file that lies about may be of an earlier cluster; the one that the running process was given is not.
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
    """What KubeRay's autoscaler, which works in a container beside the head's, derives from the cluster's resource."""
    name = os.environ.get("RAY_CLUSTER_NAME")
    if not name or not NAMESPACE.exists():
        return None
    namespace = NAMESPACE.read_text(encoding="utf-8").strip()
    try:
        cluster = ray_internals.kuberay_cluster(namespace, name)
    except requests.RequestException:
        return None  # only where it scales does KubeRay let the head look
    if not cluster["spec"].get("enableInTreeAutoscaling"):
        return None
    return ray_internals.kuberay_config(namespace, name)
