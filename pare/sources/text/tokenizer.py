"""Tokenizers of language models, as the `tokenizer.json` that lies with a model: made, found and loaded."""

from __future__ import annotations

import hashlib
import shutil
import string
from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import hf_hub_download
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from pare import files
from pare.data import provider
from pare.errors import DataError, RequestError
from pare.method import catalogue

FILE = "tokenizer.json"

_VOCABULARY = "vocab.txt"
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


def of_letters(vocabulary: Path) -> Tokenizer:
    """The tokenizer of an ESM, of whose vocabulary's tokens, one a line, each letter is one; text becomes capitals."""
    tokens = vocabulary.read_text(encoding="utf-8").split()
    tokenizer = Tokenizer(models.WordLevel({token: number for number, token in enumerate(tokens)}, "<unk>"))
    capitals = [normalizers.Replace(letter, letter.upper()) for letter in string.ascii_lowercase]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace(Regex("[^A-Za-z]"), ""), *capitals])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    ends = [(token, tokens.index(token)) for token in ("<cls>", "<eos>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<cls> $A <eos>", special_tokens=ends)
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
    if catalogue.model_type(body) == "esm":
        return _made(body)
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


def _made(body: str) -> Path:
    """Make the `tokenizer.json` of an ESM, which comes with a vocabulary only, once for each vocabulary."""
    home = Path(body) / _VOCABULARY
    if not home.is_file():
        try:
            home = Path(hf_hub_download(body, _VOCABULARY))
        except (OSError, ValueError) as error:
            raise RequestError(
                f"body {body!r} has neither {FILE} nor {_VOCABULARY}, which a source of text needs: get it from where "
                "the model is from, or choose another --body"
            ) from error
    digest = hashlib.sha256(home.read_bytes()).hexdigest()[:12]
    path = provider.root(None) / "tokenizers" / digest / FILE
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(path, of_letters(home).to_str())
    return path
