"""Rates of the renderers, and of the feed beside the step that it feeds."""
