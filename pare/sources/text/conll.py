"""Source proxies for bodies of text in the columns of CoNLL's shared tasks: phrases, each in its sentence."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from pare.data.task import ProgressCallback, Recipe
from pare.errors import DataError
from pare.sources.text import tokenizer
from pare.sources.text.base import LENGTH, Passage, Tokens, draw, lines
from pare.sources.text.grammar import Word, sentence

_OUTSIDE, _DOCUMENT = "O", "-DOCSTART-"


class Phrase(NamedTuple):
    """The words [first, last) of a sentence, and what they are."""

    type: str
    first: int
    last: int


class Sentence(NamedTuple):
    """Its words and the tags of their last column."""

    words: Sequence[str]
    tags: Sequence[str]


class Conll(Tokens):
    """Classification of a phrase's type: `<s> phrase </s></s> its sentence … </s>`, as a RoBERTa takes two texts."""

    columns: ClassVar[int]
    """The columns of a line; the first is the word, the last the tag."""

    types: ClassVar[tuple[str, ...]]
    """All that the tags may name; those that are no label are too rare, and are left out."""

    synthetic = "simulated"
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "laptop": {"sentences": 2000, "tokenizer": "roberta-mini-text", "seed": 0}
    }

    @abstractmethod
    def row(self, word: Word, before: Word | None) -> str:
        """The official line of a word; `before` is the one before it in its sentence."""

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Simulate every official file by a small grammar, those that are not the first an eighth of its length."""
        self.place_tokenizer(recipe, folder)
        texts = [name for name in self.files if name != tokenizer.FILE]
        for stream, name in enumerate(texts):
            rng = np.random.default_rng((int(recipe["seed"]), stream))
            count = int(recipe["sentences"]) // (1 if stream == 0 else 8)
            with (folder / name).open("w", encoding="utf-8") as file:
                for _ in range(count):
                    words = sentence(rng)
                    rows = (self.row(word, before) for word, before in zip(words, [None, *words], strict=False))
                    file.write("\n".join(rows) + "\n\n")
            progress(stream + 1, len(texts))

    def sentences(self, path: Path) -> list[Sentence]:
        """The sentences of an official file.

        Raises:
            DataError: it is missing, or a line is not as it should be; names the file and the line.
        """
        found, block = [], []
        rows = lines(path)
        for number, line in enumerate([*rows, ""], start=1):
            fields = line.split()
            if fields and fields[0] != _DOCUMENT:
                self._check(path, number, fields)
                block.append(fields)
            elif block:
                found.append(Sentence([row[0] for row in block], [row[-1] for row in block]))
                block = []
        if not found:
            raise DataError(f"{path} holds no sentence: expected lines of {self.columns} columns, one a word")
        return found

    def samples(self, sentences: Sequence[Sentence], split: str, words: Tokenizer) -> list[Passage]:
        """Phrases drawn from sentences at random, and the number of the sentence as their document's."""
        every = [
            (phrase, number)
            for number, sentence in enumerate(sentences)
            for phrase in phrases(sentence.tags)
            if phrase.type in self.labels
        ]
        chosen = draw(every, self.sizes[split], stream=0)
        _fit(words)
        pairs = [
            (" ".join(sentences[number].words[phrase.first : phrase.last]), " ".join(sentences[number].words))
            for phrase, number in chosen
        ]
        return [
            Passage(encoding.ids, self.labels.index(phrase.type), number)
            for encoding, (phrase, number) in zip(words.encode_batch(pairs), chosen, strict=True)
        ]

    def _check(self, path: Path, number: int, fields: Sequence[str]) -> None:
        mark, _, kind = fields[-1].partition("-")
        if len(fields) != self.columns or not (fields[-1] == _OUTSIDE or (mark in {"B", "I"} and kind in self.types)):
            wanted = f"{self.columns} columns, the last {_OUTSIDE} or B- or I- and one of {', '.join(self.types)}"
            raise DataError(f"{path}, line {number}: expected {wanted}, not {' '.join(fields)[:60]!r}")


def phrases(tags: Sequence[str]) -> Iterator[Phrase]:
    """The phrases that tags mark, whether B- opens every phrase (IOB2) or only one right behind its like (IOB1)."""
    kinds = [tag.partition("-")[2] for tag in tags]
    opens = [
        position
        for position, (tag, kind) in enumerate(zip(tags, kinds, strict=True))
        if position == 0 or tag.startswith("B-") or kind != kinds[position - 1]
    ]
    for first, last in pairwise([*opens, len(tags)]):
        if kinds[first]:
            yield Phrase(kinds[first], first, last)


def _fit(words: Tokenizer) -> None:
    """32 tokens of any two texts: the longer one is cut, and what is short ends in padding."""
    token, number = tokenizer.padding(words)
    words.enable_truncation(LENGTH, strategy="longest_first")
    words.enable_padding(length=LENGTH, pad_id=number, pad_token=token)
