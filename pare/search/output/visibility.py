"""Checks that every node of a cluster sees the sweep's directory and has, or would prepare, the same data."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pare import tasks
from pare.data.provider import DataProvider
from pare.data.store import Prepared
from pare.errors import RequestError

_PATIENCE = 120.0
"""Seconds for a node to answer; a node that does not is lost, which does not end the sweep."""


def require_shared(out: Path) -> None:
    """Check that every node that may run trials sees the directory.

    Raises:
        RequestError: a node does not; the message names it.
    """
    token = out / f".seen-{uuid.uuid4().hex}"
    token.touch()
    try:
        blind = [node for node, sees in _ask(_exists, str(token)).items() if not sees]
    finally:
        token.unlink(missing_ok=True)
    if blind:
        raise RequestError(
            f"--out is {str(out)!r}: {', '.join(blind)} does not see this directory; give a folder in a bucket, "
            "such as s3://bucket/run, or a directory that all nodes share"
        )


def require_data(provider: DataProvider, data: Mapping[tuple[str, str], Prepared]) -> None:
    """Check that every node that may run trials has, or would make, the same data for each (task, body that reads it).

    Raises:
        RequestError: a node would make other data; the message names it.
    """
    for node, lacks in _ask(_lacks, provider, tasks.definitions(), {of: each.key for of, each in data.items()}).items():
        if lacks:
            raise RequestError(
                f"--data-root is {provider.data_root!r}: {node} lacks the official files of {', '.join(lacks)} there; "
                "give a folder in a bucket, such as s3://bucket/data, or a directory that all nodes share"
            )


def _ask(question: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Return the answers of the other nodes that have CPUs, by address."""
    here = ray.get_runtime_context().get_node_id()
    asked = {}
    for node in ray.nodes():
        if node["Alive"] and node["NodeID"] != here and node["Resources"].get("CPU"):
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            remote = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(question)
            asked[remote.remote(*arguments)] = node["NodeManagerAddress"]
    answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_PATIENCE) if asked else ([], [])
    answers = {}
    for each in answered:
        try:
            answers[asked[each]] = ray.get(each)
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError:
            continue  # the node is gone
    return answers


def _exists(path: str) -> bool:
    return Path(path).exists()


def _lacks(provider: DataProvider, own: tuple[tasks.Definition, ...], keys: Mapping[tuple[str, str], str]) -> list[str]:
    tasks.adopt(own)
    return [name for (name, body), key in keys.items() if not provider.makes(tasks.get(name).for_body(body), key)]
