import pytest
from tokenizers import Tokenizer, models
from transformers import EsmTokenizer

from pare.errors import DataError, RequestError
from pare.method import catalogue
from pare.sources.text import tokenizer

TEXTS = ["def f(x):\n    return x\n", "def g(x, y):\n    return f(x) + f(y)\n"] * 5


def test_the_same_texts_make_the_same_tokenizer():
    first, again = (tokenizer.train(TEXTS, 300) for _ in range(2))
    assert first.to_str() == again.to_str()


def test_a_tokenizer_gives_any_text_back_and_marks_its_ends():
    words = tokenizer.train(TEXTS, 300)
    text = "λx → ∀ 🙂\tdef"
    encoding = words.encode(text, "two")
    assert words.decode(encoding.ids) == text + "two"
    assert [token for token, special in zip(encoding.tokens, encoding.special_tokens_mask, strict=True) if special] == [
        "<s>",
        "</s>",
        "</s>",
        "</s>",
    ]
    # RoBERTa's configuration takes these for granted.
    assert [words.token_to_id(token) for token in ("<s>", "<pad>", "</s>")] == [0, 1, 2]


def test_a_file_that_is_no_tokenizer_is_told_in_one_line(tmp_path):
    path = tmp_path / tokenizer.FILE
    with pytest.raises(DataError, match=r"tokenizer\.json cannot be read"):
        tokenizer.load(path)
    path.write_text('{"version": "1.0", "model": {')
    with pytest.raises(DataError, match=r"tokenizer\.json cannot be read") as caught:
        tokenizer.load(path)
    assert "\n" not in str(caught.value)
    Tokenizer(models.BPE()).save(str(path))
    with pytest.raises(DataError, match="none of the padding tokens"):
        tokenizer.load(path)


def test_a_tokenizer_is_found_in_the_package_and_in_a_directory(tmp_path):
    home, folder = tmp_path / "home", tmp_path / "folder"
    home.mkdir()
    folder.mkdir()
    tokenizer.place("roberta-mini-text", home)
    tokenizer.place(str(home), folder)
    shipped_file = catalogue.folder("roberta-mini-text") / tokenizer.FILE
    assert (folder / tokenizer.FILE).read_bytes() == shipped_file.read_bytes()


def test_a_tokenizer_that_cannot_be_had_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(RequestError, match="`hf download some/body"):
        tokenizer.place("some/body", tmp_path)
    with pytest.raises(RequestError, match="the tokenizer of '/nowhere/at/all'"):
        tokenizer.place("/nowhere/at/all", tmp_path)
    assert not (tmp_path / tokenizer.FILE).exists()


@pytest.fixture
def esm(tmp_path, monkeypatch):
    monkeypatch.setenv("PARE_DATA", str(tmp_path / "data"))
    folder = tmp_path / "esm"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "esm"}')
    (folder / "vocab.txt").write_text("\n".join(["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSER", "<mask>"]) + "\n")
    return folder


def test_letters_are_the_tokens_of_an_esm_as_its_own_tokenizer_reads_them(esm):
    words = tokenizer.load(tokenizer.find(str(esm)))
    assert words.encode("Las R, 1 GJ").ids == [0, 4, 5, 8, 10, 6, 3, 2]
    own = EsmTokenizer(str(esm / "vocab.txt"))
    assert words.encode("LAGVSER").ids == own("LAGVSER").input_ids
    assert words.get_vocab_size() == 12
    assert tokenizer.padding(words) == ("<pad>", 1)


def test_an_esm_without_a_vocabulary_is_told(esm):
    (esm / "vocab.txt").unlink()
    with pytest.raises(RequestError, match=r"neither tokenizer\.json nor vocab\.txt"):
        tokenizer.find(str(esm))
