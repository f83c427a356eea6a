"""What a sweep tells: tables for machines, TensorBoard, progress, the leaderboard and the model that users keep."""

from typing import Any

__all__ = ["read"]


def __getattr__(name: str) -> Any:
    # pandas takes its time to import: only those who read tables pay for it.
    if name == "read":
        from pare.reporting.tables import read

        return read
    raise AttributeError(f"module 'pare.reporting' has no attribute {name!r}")
