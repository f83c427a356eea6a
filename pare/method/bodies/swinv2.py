"""Swin v2, whose positions are a function of distance, so that its windows may shrink."""

from __future__ import annotations

from transformers import Swinv2Model

from pare.method.bodies.swin import SwinBody


class Swinv2Body(SwinBody):
    """A Swin v2, run by Hugging Face's own encoder."""

    architecture = Swinv2Model
    projections = ("query", "key", "value")

    def windows(self) -> None:
        """Return None: its attention is not Swin's."""

    def require_windows(self) -> None:
        """A window is never larger than the grid of its stage."""
