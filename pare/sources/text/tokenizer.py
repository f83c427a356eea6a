"""Tokenizers of language models, as the `tokenizer.json` that lies with a model: made, found and loaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import hf_hub_download
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from pare.errors import DataError, RequestError
from pare.method import catalogue

FILE = "tokenizer.json"

_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")  # in RoBERTa's order
_PADDING = ("<pad>", "[PAD]")


def train(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE tokenizer (Sennrich et al. 2016) with RoBERTa's special tokens; the same for the same texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[AddedToken(token, special=True) for token in _SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    start, _, end, *_ = ((token, number) for number, token in enumerate(_SPECIAL))
    tokenizer.post_processor = processors.RobertaProcessing(end, start, add_prefix_space=False)
    return tokenizer


def load(path: Path) -> Tokenizer:
    """The tokenizer in a file.

    Raises:
        DataError: the file is missing or no tokenizer's, or its tokenizer has no padding; names the file.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises Exception itself
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read ({reason}): expected the {FILE} of a body of text") from error
    tokenizer.no_padding()  # some files bring a length of their own
    tokenizer.no_truncation()
    if not tokenizer.get_vocab().keys() & set(_PADDING):
        raise DataError(f"{path} has none of the padding tokens {', '.join(_PADDING)}: give a RoBERTa's or a BERT's")
    return tokenizer


def padding(tokenizer: Tokenizer) -> tuple[str, int]:
    """The token that fills a sequence up, and its id."""
    vocabulary = tokenizer.get_vocab()
    return next((token, vocabulary[token]) for token in _PADDING if token in vocabulary)


def place(body: str, folder: Path) -> None:
    """Put the tokenizer of a body, of this package, of a directory or of the Hugging Face hub, into a folder.

    Raises:
        RequestError: the body has none, or the hub cannot be reached.
    """
    shutil.copyfile(find(body), folder / FILE)


def find(body: str) -> Path:
    """The `tokenizer.json` of a body, of this package, of a directory or of the Hugging Face hub.

    Raises:
        RequestError: the body has none, or the hub cannot be reached.
    """
    for home in (catalogue.folder(body), Path(body)):
        if (home / FILE).is_file():
            return home / FILE
    if Path(body).is_dir():
        raise RequestError(
            f"body {body!r} has no {FILE}, which a source of text needs: put that of the model there "
            "(AutoTokenizer.from_pretrained(…).save_pretrained writes it), or choose another --body"
        )
    try:
        return Path(hf_hub_download(body, FILE))
    except (OSError, ValueError) as error:
        raise RequestError(
            f"the tokenizer of {body!r} is neither in a directory, nor in the Hugging Face cache, nor can the hub be "
            f"reached: download it once with `hf download {body} {FILE}`"
        ) from error
