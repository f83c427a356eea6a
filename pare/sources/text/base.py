"""The base of source proxies of text: token ids, made by the tokenizer that lies beside the text."""

from __future__ import annotations

import copy
import hashlib
import shutil
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np
from tokenizers import Tokenizer

from pare.data import checks
from pare.data.task import SPLITS, ProgressCallback, Raw, Recipe, Split, Task
from pare.errors import DataError, RequestError
from pare.losses import cross_entropy
from pare.method import catalogue
from pare.sources.text import tokenizer

LENGTH = 32
"""Tokens of a sample, as published."""

T = TypeVar("T")


class Passage(NamedTuple):
    """A sample: its 32 token ids, its class, and the number of the document that it is of."""

    ids: Sequence[int]
    label: int
    document: int


class Tokens(Task):
    """A classification task on token ids (n, 1, 32); the size of their vocabulary is among its statistics.

    The tokens have to be those of the run's body, whose `tokenizer.json` is one of the raw files. `for_body` says whose
    it is where they are synthesised.
    """

    kind = "classification"
    text = True
    shape = (1, LENGTH)
    metric = checks.ERROR
    criterion = staticmethod(cross_entropy)
    paper: ClassVar = {}
    laptop: ClassVar = {}
    sizes: ClassVar[Mapping[str, int]] = {"train": 5000, "val": 1000, "test": 1000}
    """The most samples of each split; those of training as published."""

    body_tokenizer: Path | None = None
    """The `tokenizer.json` of the body that this source was bound to by `for_body`."""

    def for_body(self, body: str) -> Tokens:
        """This source with what is synthesised cut into the tokens of `body`; the tokenizer's hash is in its recipes.

        Official files come with a tokenizer of their own. A body of the package that reads no text has none.

        Raises:
            RequestError: the body's tokenizer cannot be had.
        """
        if not body or (catalogue.is_bundled(body) and not (catalogue.folder(body) / tokenizer.FILE).is_file()):
            return self
        bound = copy.copy(self)
        bound.body_tokenizer = tokenizer.find(body)
        digest = hashlib.sha256(bound.body_tokenizer.read_bytes()).hexdigest()[:12]
        vars(bound)["recipes"] = {
            preset: recipe if recipe["tokenizer"] == body else {**recipe, "tokenizer": digest}
            for preset, recipe in self.recipes.items()
        }
        return bound

    def place_tokenizer(self, recipe: Recipe, folder: Path) -> None:
        """Put the tokenizer that a recipe names, of a body or by its hash, into a folder."""
        if self.body_tokenizer is not None:
            shutil.copyfile(self.body_tokenizer, folder / tokenizer.FILE)
        else:
            tokenizer.place(str(recipe["tokenizer"]), folder)

    @abstractmethod
    def passages(self, folder: Path, words: Tokenizer) -> Mapping[str, Sequence[Passage]]:
        """The samples that the raw files hold of each split, those of a document together.

        Raises:
            DataError: a file is missing, truncated or malformed.
        """

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        path = folder / tokenizer.FILE
        words = tokenizer.load(path)
        passages = self.passages(folder, words)
        for name in SPLITS:
            if not passages[name]:
                raise DataError(f"{folder} holds no sample of {LENGTH} tokens for {name}: give more text")
        progress(1, 2)
        train, val, test = (self._split(passages[name]) for name in SPLITS)
        progress(2, 2)
        statistics = {"vocabulary": np.array(words.get_vocab_size())}
        if self.body_tokenizer is not None and path.read_bytes() == self.body_tokenizer.read_bytes():
            statistics["own_tokenizer"] = np.array(True)
        return Raw(train, val, test, statistics)

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Token ids (n, 32) or (n, 1, 32), whole numbers from 0: (n, 1, 32) float32, which holds every id exactly."""
        raw = checks.batch(raw, ((LENGTH,), self.shape), f"token ids (n, {LENGTH}) or (n, 1, {LENGTH})")
        if raw.size and (raw.min() < 0 or (raw % 1).any()):
            raise RequestError(f"samples of type {raw.dtype} are not all whole numbers from 0: give token ids")
        return raw.astype(np.float32).reshape(-1, *self.shape)

    def _split(self, passages: Sequence[Passage]) -> Split:
        ids, labels, documents = (np.array([passage[field] for passage in passages]) for field in range(3))
        return Split(ids.astype(np.int32).reshape(-1, *self.shape), labels, documents)


def draw(items: Sequence[T], size: int, stream: int) -> list[T]:
    """Draw at most so many items, the same ones each time, and keep their order."""
    rows = np.random.default_rng(stream).permutation(len(items))[:size]
    return [items[row] for row in np.sort(rows)]


def lines(path: Path) -> list[str]:
    """The lines of a text file, without their ends.

    Raises:
        DataError: it is missing, empty or no text; names the file.
    """
    try:
        found = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = "not there" if isinstance(error, FileNotFoundError) else f"not readable ({error})"
        raise DataError(f"{path} is {reason}: expected lines of text in UTF-8") from error
    if not any(found):
        raise DataError(f"{path} is empty: expected lines of text in UTF-8")
    return found
