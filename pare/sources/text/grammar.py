"""Sentences of a small grammar, with parts of speech, phrases and names, to stand in for the text of CoNLL's tasks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Word(NamedTuple):
    """A word, its part of speech, and the tags of its phrase and of its name, in IOB2."""

    text: str
    speech: str
    phrase: str
    name: str


_NAMES = {
    "PER": ("Anna Weber", "J. Okafor", "Maria Silva", "Chen Li", "Tom Baker", "Ines Costa"),
    "LOC": ("Lisbon", "Nairobi", "New Delhi", "Oslo", "Lake Geneva", "Peru"),
    "ORG": ("Northern Rail", "Acme Corp.", "United Mills", "Harbour Bank", "the Grain Board"),
    "MISC": ("Norwegian", "DistributedContext Cup", "Kenyan", "Portuguese", "Nobel Prize"),
}
_WORDS = {
    "DT": ("the", "a", "this", "every", "no"),
    "JJ": ("large", "recent", "quiet", "early", "careful", "expensive"),
    "NN": ("share", "report", "market", "engine", "river", "match", "price", "minister"),
    "VBD": ("sold", "opened", "followed", "reached", "raised", "watched", "signed"),
    "MD": ("will", "may", "could"),
    "VB": ("sell", "open", "follow", "reach", "raise", "watch"),
    "RB": ("quickly", "again", "yesterday", "probably", "often"),
    "IN": ("in", "of", "from", "near", "after", "with"),
    "RP": ("up", "out", "off", "down"),
    "CC": ("and", "but"),
}
_SUBORDINATE = ("that", "because", "although", "whether")
_CONJUNCTIONS = ("as well as", "rather than", "not only")


def sentence(rng: np.random.Generator) -> list[Word]:
    """A sentence of 5 to about 40 words, that ends in a full stop."""
    words = _clause(rng)
    if rng.random() < 0.3:
        words += [*_phrase("SBAR", [(str(rng.choice(_SUBORDINATE)), "IN")]), *_clause(rng)]
    return [*words, Word(".", ".", "O", "O")]


def _clause(rng: np.random.Generator) -> list[Word]:
    words = _noun(rng)
    if rng.random() < 0.1:
        words += _phrase("CONJP", [(part, "CC") for part in str(rng.choice(_CONJUNCTIONS)).split()]) + _noun(rng)
    if rng.random() < 0.3:
        words += _phrase("ADVP", [_any(rng, "RB")])
    words += _phrase("VP", [_any(rng, "VBD")] if rng.random() < 0.6 else [_any(rng, "MD"), _any(rng, "VB")])
    if rng.random() < 0.2:
        words += _phrase("PRT", [_any(rng, "RP")])
    if rng.random() < 0.25:
        words += _phrase("ADJP", [_any(rng, "RB"), _any(rng, "JJ")])
    else:
        words += _noun(rng)
    while rng.random() < 0.4:
        words += _phrase("PP", [_any(rng, "IN")]) + _noun(rng)
    return words


def _noun(rng: np.random.Generator) -> list[Word]:
    """A name, or a noun with its article."""
    if rng.random() < 0.4:
        kind = str(rng.choice(list(_NAMES)))
        return _phrase("NP", [(part, "NNP") for part in str(rng.choice(_NAMES[kind])).split()], kind)
    adjectives = [_any(rng, "JJ") for _ in range(rng.integers(3))]
    return _phrase("NP", [_any(rng, "DT"), *adjectives, _any(rng, "NN")])


def _any(rng: np.random.Generator, speech: str) -> tuple[str, str]:
    return str(rng.choice(_WORDS[speech])), speech


def _phrase(kind: str, words: list[tuple[str, str]], name: str = "") -> list[Word]:
    marks = ["B", *("I" for _ in words[1:])]
    return [
        Word(text, speech, f"{mark}-{kind}", f"{mark}-{name}" if name else "O")
        for mark, (text, speech) in zip(marks, words, strict=True)
    ]
