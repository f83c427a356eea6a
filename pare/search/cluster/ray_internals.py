"""Private APIs of Ray that the package uses, each with its reason; check this module against a new version of Ray."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from ray._private.resource_and_label_spec import ResourceAndLabelSpec


def detected_resources() -> tuple[dict[str, float], dict[str, str]]:
    """Return the resources and labels that Ray would detect if started on this machine.

    The public way is to start Ray, which takes seconds; a request that cannot be met is refused before that.
    """
    spec = ResourceAndLabelSpec()
    spec.resolve(is_head=True)
    resources = {name: float(amount) for name, amount in spec.to_resource_dict().items() if amount}
    return resources, dict(spec.labels or {})


def draining_nodes() -> Container[str]:
    """Return the identifiers of the nodes that will be preempted.

    The public notice reaches only worker groups of Ray Train; a trial on one worker would restart from its last epoch.
    """
    from ray._private.state import state

    return state.get_draining_nodes()


def placement_groups() -> list[bytes]:
    """Return Ray's table of placement groups, serialised: the public table lacks their owners."""
    from ray._private.state import state

    return list(state._connect_and_get_accessor().get_placement_group_table())


def logs() -> Path:
    """Return the log directory of the connected Ray, which no public function names; its autoscaler writes there."""
    from ray._private.worker import global_worker

    return Path(global_worker.node.get_logs_dir_path())


def kuberay_cluster(namespace: str, name: str) -> Mapping[str, Any]:
    """Fetch the Kubernetes resource of a Ray cluster as Ray's autoscaler does, with the pod's credentials."""
    from ray.autoscaler._private.kuberay.node_provider import KubernetesHttpApiClient

    cluster: Mapping[str, Any] = KubernetesHttpApiClient(namespace).get(f"rayclusters/{name}")
    return cluster


def kuberay_config(namespace: str, name: str) -> dict[str, Any]:
    """Return the configuration that KubeRay's autoscaler derives from it, in the format of Ray's cluster launcher."""
    from ray.autoscaler._private.kuberay.autoscaling_config import AutoscalingConfigProducer

    config: dict[str, Any] = AutoscalingConfigProducer(name, namespace)()
    return config
