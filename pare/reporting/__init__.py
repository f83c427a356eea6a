"""The results of a sweep: tables for machines, TensorBoard, progress, the leaderboard and the exported model."""

from typing import Any

__all__ = ["read"]


def __getattr__(name: str) -> Any:
    # pandas is slow to import, so only readers of tables import it.
    if name == "read":
        from pare.reporting.tables import read

        return read
    raise AttributeError(f"module 'pare.reporting' has no attribute {name!r}")
