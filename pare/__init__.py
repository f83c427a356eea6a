"""PaRe: cross-modal fine-tuning by gradual patch replacement, and its distributed hyperparameter sweeps."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pare.commands.arrays import sweep
    from pare.reporting.export import load

__version__ = "0.1.0"
__all__ = ["load", "sweep"]


def __getattr__(name: str) -> Any:
    # torch, transformers and Ray take seconds to import, so they are imported only for what needs them.
    if name == "load":
        from pare.reporting.export import load

        return load
    if name == "sweep":
        from pare.commands.arrays import sweep

        return sweep
    raise AttributeError(f"module 'pare' has no attribute {name!r}")
