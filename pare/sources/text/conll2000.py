"""Source proxy for bodies of text: phrases of news in eight types (CoNLL-2000, Tjong Kim Sang & Buchholz 2000)."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from pare.sources.text import tokenizer
from pare.sources.text.base import Passage
from pare.sources.text.conll import Conll
from pare.sources.text.grammar import Word


class Conll2000(Conll):
    """Chunking: noun, verb and prepositional phrases and five more types, lines `word speech chunk`.

    ORCA and PaRe have features of it in up to eight classes, whose list is not published. Here they are the eight
    commonest of the eleven types: the other three are 43 of 106,978 training phrases.
    """

    name = "conll2000"
    title = "CoNLL-2000 phrases (8 types)"
    version = 1
    labels = ("NP", "VP", "PP", "ADVP", "SBAR", "ADJP", "PRT", "CONJP")
    types = (*labels, "INTJ", "LST", "UCP")
    output_shape = (len(labels),)
    columns = 3
    files = ("train.txt", "test.txt", tokenizer.FILE)
    homepage = (
        "https://www.clips.uantwerpen.be/conll2000/chunking (unpacked), and tokenizer.json from the body's page on "
        "https://huggingface.co"
    )

    def passages(self, folder: Path, words: Tokenizer) -> dict[str, list[Passage]]:
        """Phrases of the official files; the last tenth of the training sentences are for validation."""
        train, test = (self.sentences(folder / name) for name in self.files[:2])
        cut = len(train) - len(train) // 10
        parts = {"train": train[:cut], "val": train[cut:], "test": test}
        return {split: self.samples(part, split, words) for split, part in parts.items()}

    def row(self, word: Word, before: Word | None) -> str:  # noqa: ARG002
        return f"{word.text} {word.speech} {word.phrase}"


TASK = Conll2000()
