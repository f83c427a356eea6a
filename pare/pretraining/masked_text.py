"""Text without end, for pretraining: windows of the standard library's kinds of text, some of their tokens masked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from tokenizers import Tokenizer
from torch import Tensor, nn

from pare.method.body import Body, initialise
from pare.method.embedder import PatchEmbedder, TextEmbedder
from pare.method.predictor import ClassPredictor
from pare.sources.text import corpus, tokenizer

LENGTH, VOCABULARY = 64, 2048
"""Tokens of a window, its two ends among them, and of the tokenizer."""


class Reader(nn.Module):
    """Token ids (B, L) → logits (B, kinds). Text is what the body is to know: its own embedding layer learns."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.body = body
        self.head = ClassPredictor(body.features, len(corpus.KINDS))
        initialise(self.head)
        body.source_embedder.requires_grad_(True)

    @property
    def embedder(self) -> PatchEmbedder | TextEmbedder:
        """The body's own."""
        return self.body.source_embedder

    def forward(self, ids_BL: Tensor) -> Tensor:
        return self.head(self.body(self.body.source_embedder(ids_BL)))


class Windows:
    """Stretches, drawn at random, of all that the modules of a split hold of each kind."""

    def __init__(self, words: Tokenizer, split: str, seed: int) -> None:
        self.streams = _streams(words, split)
        self.start, self.end, self.mask = (words.get_vocab()[token] for token in ("<s>", "</s>", "<mask>"))
        self.seed = seed

    def draw(self, instances: np.ndarray, hardness: float) -> tuple[np.ndarray, np.ndarray]:
        """Ids (n, L) and kinds (n,), by instance; hardness 1 masks half of the tokens."""
        labels = instances % len(self.streams)
        ids = np.empty((len(instances), LENGTH), dtype=np.int64)
        ids[:, 0], ids[:, -1] = self.start, self.end
        for row, (label, instance) in enumerate(zip(labels, instances, strict=True)):
            rng, stream = np.random.default_rng((self.seed, int(instance))), self.streams[label]
            first = rng.integers(len(stream) - LENGTH)
            window = stream[first : first + LENGTH - 2]
            ids[row, 1:-1] = np.where(rng.random(len(window)) < hardness / 2, self.mask, window)
        return ids, labels


@cache
def words() -> Tokenizer:
    """The tokenizer of what a body reads."""
    return tokenizer.train(_texts("train"), VOCABULARY)


@cache
def _streams(words: Tokenizer, split: str) -> list[np.ndarray]:
    encoded = words.encode_batch(_texts(split), add_special_tokens=False)
    return [np.array(each.ids, dtype=np.int64) for each in encoded]


@cache
def _texts(split: str) -> Sequence[str]:
    """All text of each kind in a split."""
    modules = [corpus.passages(source) for module, source in corpus.modules().items() if corpus.split(module) == split]
    return ["\n".join(each[kind] for each in modules if each[kind]) for kind in corpus.KINDS]
