"""Everything of Ray's that is used here and is not public, with the reason; a new version of Ray is checked here."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from ray._private.resource_and_label_spec import ResourceAndLabelSpec


def detected_resources() -> tuple[dict[str, float], dict[str, str]]:
    """The resources and labels of this machine as a Ray started on it would detect them.

    The public way is to start Ray, which takes seconds, and a request that cannot be met is refused before.
    """
    spec = ResourceAndLabelSpec()
    spec.resolve(is_head=True)
    resources = {name: float(amount) for name, amount in spec.to_resource_dict().items() if amount}
    return resources, dict(spec.labels or {})


def draining_nodes() -> Container[str]:
    """The identifiers of the nodes that will be taken away.

    The public notice reaches worker groups of Ray Train only; a trial on one worker would go back to its last epoch.
    """
    from ray._private.state import state

    return state.get_draining_nodes()


def placement_groups() -> list[bytes]:
    """Ray's table of placement groups, serialised: the public one does not tell who owns a group."""
    from ray._private.state import state

    return list(state._connect_and_get_accessor().get_placement_group_table())


def logs() -> Path:
    """The directory of the logs of the connected Ray, where its autoscaler writes: no public function names it."""
    from ray._private.worker import global_worker

    return Path(global_worker.node.get_logs_dir_path())


def kuberay_cluster(namespace: str, name: str) -> Mapping[str, Any]:
    """The Kubernetes resource of a Ray cluster, asked for as Ray's autoscaler asks, with the credentials of the pod."""
    from ray.autoscaler._private.kuberay.node_provider import KubernetesHttpApiClient

    cluster: Mapping[str, Any] = KubernetesHttpApiClient(namespace).get(f"rayclusters/{name}")
    return cluster


def kuberay_config(namespace: str, name: str) -> dict[str, Any]:
    """What KubeRay's autoscaler derives from that resource, in the format of Ray's cluster launcher."""
    from ray.autoscaler._private.kuberay.autoscaling_config import AutoscalingConfigProducer

    config: dict[str, Any] = AutoscalingConfigProducer(name, namespace)()
    return config
