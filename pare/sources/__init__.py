"""Source proxies: labelled samples of what bodies were pretrained on, or of a substitute for it."""

OF_BODY = {"swin-mini": "fractals", "roberta-mini": "signals", "roberta-mini-text": "text"}
"""The proxy drawn from what a body of this package was pretrained on."""
