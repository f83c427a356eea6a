"""The two tasks of CoNLL: what they share, on files in exactly the official format."""

import numpy as np
import pytest

from pare import tasks
from pare.data import store
from pare.errors import DataError
from pare.sources.text import conll2000, conll2003, tokenizer
from pare.sources.text.base import LENGTH
from pare.sources.text.conll import phrases

TASKS = [conll2000.TASK, conll2003.TASK]
CHUNKED = """The DT B-NP
old JJ I-NP
mill NN I-NP
shut VBD B-VP
down RP B-PRT
in IN B-PP
May NNP B-NP
. . O

Alas UH B-INTJ
it PRP B-NP
had VBD B-VP
. . O

"""
NAMED = """-DOCSTART- -X- O O

Ada NNP I-NP I-PER
Lovelace NNP I-NP I-PER
left VBD I-VP O
Reuters NNP I-NP I-ORG
Bonn NNP I-NP I-LOC
Berlin NNP B-NP B-LOC
. . O O

-DOCSTART- -X- O O

Dutch JJ I-NP I-MISC
win NN I-NP O

"""


def quiet(done, total):
    pass


def write(task, folder, *contents):
    tokenizer.place("roberta-mini-text", folder)
    for name, content in zip(task.files, contents, strict=False):
        (folder / name).write_text(content)


def decoded(folder, split):
    words = tokenizer.load(folder / tokenizer.FILE)
    return [words.decode(x.tolist(), skip_special_tokens=False).replace("<pad>", "") for x in split.x[:, 0]]


def test_chunks_are_read_as_published(tmp_path):
    write(conll2000.TASK, tmp_path, CHUNKED * 10, CHUNKED)
    raw = conll2000.TASK.read(tmp_path, quiet)
    sentences = "The old mill shut down in May .", "Alas it had ."
    assert decoded(tmp_path, raw.test) == [
        f"<s>{phrase}</s></s>{sentences[sentence]}</s>"
        for phrase, sentence in [
            ("The old mill", 0),
            ("shut", 0),
            ("down", 0),
            ("in", 0),
            ("May", 0),
            ("it", 1),
            ("had", 1),
        ]
    ]
    assert [conll2000.TASK.labels[y] for y in raw.test.y] == ["NP", "VP", "PRT", "PP", "NP", "NP", "VP"]
    assert raw.test.group.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert (len(raw.train), len(raw.val)) == (9 * 7, 7)


def test_names_are_read_as_published(tmp_path):
    write(conll2003.TASK, tmp_path, NAMED, NAMED, NAMED)
    raw = conll2003.TASK.read(tmp_path, quiet)
    found = [text.removeprefix("<s>").partition("</s>")[0] for text in decoded(tmp_path, raw.val)]
    assert found == ["Ada Lovelace", "Reuters", "Bonn", "Berlin", "Dutch"]
    assert [conll2003.TASK.labels[y] for y in raw.val.y] == ["PER", "ORG", "LOC", "LOC", "MISC"]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-NP I-NP B-NP O I-VP", [("NP", 0, 2), ("NP", 2, 3), ("VP", 4, 5)]),
        ("I-NP I-NP B-NP I-VP O", [("NP", 0, 2), ("NP", 2, 3), ("VP", 3, 4)]),
        ("O O", []),
    ],
)
def test_both_ways_of_marking_phrases_are_understood(tags, expected):
    assert list(phrases(tags.split())) == expected


def test_no_more_phrases_are_drawn_than_published(tmp_path):
    write(conll2000.TASK, tmp_path, CHUNKED * 900, CHUNKED)
    train = conll2000.TASK.read(tmp_path, quiet).train
    assert len(train) == conll2000.TASK.sizes["train"] == 5000
    assert (np.diff(train.group) >= 0).all()


def test_a_long_phrase_and_a_long_sentence_are_cut(tmp_path):
    long = "".join(f"wordy{number} NN {'I' if number else 'B'}-NP\n" for number in range(60)) + "\n"
    write(conll2000.TASK, tmp_path, long * 10, long)
    test = conll2000.TASK.read(tmp_path, quiet).test
    (sample,) = decoded(tmp_path, test)
    phrase, _, sentence = sample.removeprefix("<s>").removesuffix("</s>").partition("</s></s>")
    assert phrase
    assert sentence
    assert test.x.shape == (1, 1, LENGTH)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_simulated_files_are_of_the_official_format(task, tmp_path, monkeypatch):
    monkeypatch.setattr(type(task), "recipes", {"laptop": {**task.recipes["laptop"], "sentences": 240}})
    data = store.prepare(task, tmp_path, "laptop", quiet)
    assert task.name in tasks.sources()
    assert task.text
    assert data.provenance == "simulated"
    assert min(data.classes["train"]) > 0
    vocabulary = int(data.statistics["vocabulary"])
    assert data.split("train").x.max() < vocabulary
    folder = next((tmp_path / task.name).glob("simulated-*"))
    twin = tmp_path / "twin"
    twin.mkdir()
    task.write_synthetic(twin, task.recipes["laptop"], quiet)
    for name in task.files:
        assert (twin / name).read_bytes() == (folder / name).read_bytes()


def test_official_files_without_the_tokenizer_are_told_in_one_line(tmp_path):
    folder = tmp_path / "conll2000" / "raw"
    folder.mkdir(parents=True)
    for name in ("train.txt", "test.txt"):
        (folder / name).write_text(CHUNKED)
    with pytest.raises(DataError, match=r"tokenizer\.json is missing.*body"):
        store.prepare(conll2000.TASK, tmp_path, "paper", quiet)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("-DOCSTART- -X- O\n\n", "holds no sentence"),
        (CHUNKED[: CHUNKED.index("mill NN") + 7], "line 3: expected 3 columns"),
        (CHUNKED.replace("in IN B-PP", "in IN B-P"), "line 6: expected 3 columns"),
        (NAMED, "line 3: expected 3 columns"),
        (None, "not there"),
        (b"\x1f\x8b\x08\x00", "not readable"),
    ],
)
def test_a_damaged_file_is_told_in_one_line(tmp_path, content, told):
    write(conll2000.TASK, tmp_path, CHUNKED, CHUNKED)
    path = tmp_path / "train.txt"
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=rf"train\.txt.*{told}") as caught:
        conll2000.TASK.read(tmp_path, quiet)
    assert "\n" not in str(caught.value)
