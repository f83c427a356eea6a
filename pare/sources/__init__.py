"""Source proxies: labelled samples of what bodies were pretrained on, or of a substitute for it."""

from pare import tasks
from pare.method import bodies, catalogue

OF_BODY = {"swin-mini": "fractals", "roberta-mini": "signals", "roberta-mini-text": "text"}
"""The proxy drawn from what a body of this package was pretrained on."""


def of_body(body: str, usual: str) -> str:
    """Return the source proxy for a body: the task's usual one if the body reads its kind, else one made here.

    A body of sequences reads text, one of images pictures; `text` and `fractals` need no file.
    """
    if body in OF_BODY:
        return OF_BODY[body]
    kind, source = catalogue.model_type(body), tasks.get(usual)
    if kind in bodies.SEQUENCES and not source.text:
        return "text"
    return "fractals" if kind in bodies.IMAGES and source.modality == "1d" else usual
