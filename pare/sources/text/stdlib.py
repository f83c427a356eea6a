"""Source proxy for bodies of text: Python's own standard library, eight kinds of text to tell apart."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from tokenizers import Tokenizer

from pare.data.task import SPLITS, ProgressCallback, Recipe
from pare.errors import DataError
from pare.sources.text import corpus, tokenizer
from pare.sources.text.base import LENGTH, Passage, Tokens, draw, lines


class Text(Tokens):
    """Docstrings, comments and six kinds of statements, by the node that they are in Python's grammar.

    `text.jsonl` holds an object a line: a `module`, a `kind`, and all the `text` of that kind in it. Windows of 32
    tokens are cut from it, equally many of each kind; a module belongs to one split. It counts as `generated`: people
    wrote the text, but it is a rule of this package that makes a data set of it, the same for the same Python.
    """

    name = "text"
    title = "Text of Python's standard library (8 kinds)"
    version = 1
    labels = corpus.KINDS
    output_shape = (len(labels),)
    files = ("text.jsonl", tokenizer.FILE)
    homepage = "made by the package itself"
    synthetic = "generated"
    recipes: ClassVar = {
        "laptop": {"modules": 160, "python": platform.python_version(), "tokenizer": "roberta-mini-text"},
        "paper": {"modules": 1000, "python": platform.python_version(), "tokenizer": "FacebookAI/roberta-base"},
    }

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Write the text of so many modules, at most, by kind, and the tokenizer of the body that is to read it."""
        self.place_tokenizer(recipe, folder)
        modules = draw([*corpus.modules().items()], int(recipe["modules"]), stream=0)
        with (folder / self.files[0]).open("w", encoding="utf-8") as file:
            for done, (module, source) in enumerate(modules, start=1):
                for kind, text in corpus.passages(source).items():
                    if text:
                        file.write(json.dumps({"module": module, "kind": kind, "text": text}) + "\n")
                progress(done, len(modules))

    def passages(self, folder: Path, words: Tokenizer) -> dict[str, list[Passage]]:
        words.enable_truncation(LENGTH)
        found: dict[str, list[list[Passage]]] = {split: [[] for _ in self.labels] for split in SPLITS}
        documents: dict[str, int] = {}
        for module, label, text in self._texts(folder / self.files[0]):
            encoding = words.encode(text)
            windows = (each.ids for each in (encoding, *encoding.overflowing) if len(each) == LENGTH)
            document = documents.setdefault(module, len(documents))
            found[corpus.split(module)][label] += (Passage(ids, label, document) for ids in windows)
        return {split: self._balanced(kinds, self.sizes[split]) for split, kinds in found.items()}

    def _texts(self, path: Path) -> Iterator[tuple[str, int, str]]:
        """(module, class, text) of each line."""
        for number, line in enumerate(lines(path), start=1):
            try:
                if line:
                    row = json.loads(line)
                    yield str(row["module"]), self.labels.index(row["kind"]), str(row["text"])
            except (ValueError, KeyError, TypeError) as error:
                wanted = f"an object of module, text and kind ({', '.join(self.labels)})"
                raise DataError(f"{path}, line {number}: expected {wanted}, not {line[:40]!r}") from error

    def _balanced(self, kinds: list[list[Passage]], size: int) -> list[Passage]:
        """Return equally many samples of each kind, at most as many as the rarest has; documents in order."""
        each = min(size // len(kinds), *map(len, kinds))
        drawn = [draw(passages, each, label) for label, passages in enumerate(kinds)]
        return sorted((passage for passages in drawn for passage in passages), key=lambda passage: passage.document)


TASK = Text()
