"""Source proxy for bodies of text: names in news of four types (CoNLL-2003, Tjong Kim Sang & De Meulder 2003)."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from pare.sources.text import tokenizer
from pare.sources.text.base import Passage
from pare.sources.text.conll import Conll
from pare.sources.text.grammar import Word


class Conll2003(Conll):
    """English named entities: persons, places, organisations and others, lines `word speech chunk entity`."""

    name = "conll2003"
    title = "CoNLL-2003 named entities (4 types)"
    version = 1
    labels = ("PER", "LOC", "ORG", "MISC")
    types = labels
    output_shape = (len(labels),)
    columns = 4
    files = ("eng.train", "eng.testa", "eng.testb", tokenizer.FILE)
    homepage = (
        "https://www.clips.uantwerpen.be/conll2003/ner (the text itself is of the Reuters Corpus, from NIST), and "
        "tokenizer.json from the body's page on https://huggingface.co"
    )

    def passages(self, folder: Path, words: Tokenizer) -> dict[str, list[Passage]]:
        """Names of the official files: `eng.testa` is for validation."""
        parts = zip(("train", "val", "test"), self.files, strict=False)
        return {split: self.samples(self.sentences(folder / name), split, words) for split, name in parts}

    def row(self, word: Word, before: Word | None) -> str:
        phrase, name = (_iob1(word[tag], before[tag] if before else "O") for tag in (2, 3))
        return f"{word.text} {word.speech} {phrase} {name}"


def _iob1(tag: str, before: str) -> str:
    """B- only where a phrase follows another of its type, as the official files have it."""
    return f"I-{tag[2:]}" if tag.startswith("B-") and before[2:] != tag[2:] else tag


TASK = Conll2003()
