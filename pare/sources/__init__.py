"""The proxy side: what bodies were pretrained on, or what stands for it, drawn from as labelled source samples."""

OF_BODY = {"swin-mini": "fractals", "roberta-mini": "signals", "roberta-mini-text": "text"}
"""The proxy drawn from what a body of this package was pretrained on."""
