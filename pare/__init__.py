"""PaRe: cross-modal fine-tuning by gradual patch replacement, and its distributed hyperparameter sweeps."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["load"]


def __getattr__(name: str) -> Any:
    # torch and transformers take seconds to import, so they are imported only to load a model.
    if name == "load":
        from pare.reporting.export import load

        return load
    raise AttributeError(f"module 'pare' has no attribute {name!r}")
