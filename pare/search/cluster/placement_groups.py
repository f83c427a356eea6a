"""Removes placement groups whose owner died: Ray keeps them, and their resources reserved, until the driver exits.

An actor of Ray Train, which dies with the trial's actor, owns a worker group's placement group; see
ray-project/ray#54305. Ray Train's own fix starts only after the group has, and needs the dashboard; this one reads
Ray's table of placement groups.
"""

from __future__ import annotations

import time
from typing import Any

import ray
from ray import tune
from ray.core.generated.gcs_pb2 import PlacementGroupTableData
from ray.util.placement_group import PlacementGroup, remove_placement_group

from pare.search.cluster import ray_internals

_LOOK = 2.0
"""Seconds between two polls."""


class OrphanedPlacementGroups(tune.Callback):
    """Removes placement groups of this driver's job whose owner died, while Tune runs."""

    def __init__(self) -> None:
        self._looked = 0.0

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:  # noqa: ARG002
        if time.monotonic() - self._looked >= _LOOK:
            remove_orphans()
            self._looked = time.monotonic()


def remove_orphans() -> int:
    """Remove the placement groups of this driver's job whose owner, an actor, died; return their number."""
    job = ray.get_runtime_context().get_job_id()
    removed = 0
    for group in map(PlacementGroupTableData.FromString, ray_internals.placement_groups()):
        owner = ray.ActorID(group.creator_actor_id) if group.creator_actor_id else ray.ActorID.nil()
        if (
            group.creator_job_id.hex() == job
            and group.state != PlacementGroupTableData.REMOVED
            and not owner.is_nil()
            and group.creator_actor_dead
        ):
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(group.placement_group_id)))
            removed += 1
    return removed
