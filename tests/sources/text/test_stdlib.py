import json

import numpy as np
import pytest
import torch

from pare import tasks
from pare.config import Run
from pare.data import store
from pare.errors import DataError, RequestError
from pare.method import methods
from pare.method.objective import Mixing
from pare.sources.text import corpus, tokenizer
from pare.sources.text.base import LENGTH
from pare.sources.text.stdlib import TASK

RECIPE = {"modules": 24, "python": "any", "tokenizer": "roberta-mini-text"}


def quiet(done, total):
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    TASK.write_synthetic(folder, RECIPE, quiet)
    return folder


@pytest.fixture(scope="module")
def raw(folder):
    return TASK.read(folder, quiet)


def test_it_is_a_source_of_text():
    assert "text" in tasks.sources()
    assert TASK.text
    assert TASK.synthetic == "generated"


def test_every_kind_is_as_common_as_any_other(raw):
    for split in (raw.train, raw.val, raw.test):
        assert len(set(np.bincount(split.y, minlength=len(corpus.KINDS)))) == 1
        assert split.x.shape == (len(split), 1, LENGTH)


def test_a_module_belongs_to_one_split_and_its_samples_lie_together(raw):
    seen = set()
    for split in (raw.train, raw.val, raw.test):
        own = split.group[np.flatnonzero(np.diff(split.group, prepend=-1))]
        assert len(own) == len(set(own))
        assert not seen & set(own)
        seen |= set(own)


def test_samples_are_whole_windows_of_the_text_of_their_kind(folder, raw):
    words = tokenizer.load(folder / tokenizer.FILE)
    texts = [json.loads(line) for line in (folder / "text.jsonl").read_text().splitlines()]
    of = {kind: [row["text"] for row in texts if row["kind"] == kind] for kind in corpus.KINDS}
    for x, y in zip(raw.train.x[::5, 0], raw.train.y[::5], strict=True):
        assert (x[0], x[-1]) == (words.token_to_id("<s>"), words.token_to_id("</s>"))
        window = words.decode(x.tolist()).strip("�")  # a window may cut a character of several bytes
        assert any(window in text for text in of[corpus.KINDS[y]])


def test_the_vocabulary_is_that_of_the_tokenizer(folder, raw):
    size = tokenizer.load(folder / tokenizer.FILE).get_vocab_size()
    assert raw.statistics["vocabulary"] == size
    assert raw.train.x.max() < size


def test_the_same_files_give_the_same_samples(folder, raw):
    again = TASK.read(folder, quiet)
    np.testing.assert_array_equal(again.train.x, raw.train.x)
    np.testing.assert_array_equal(again.test.x, raw.test.x)


def test_prepared_tokens_are_the_ids_a_body_embeds(tmp_path, monkeypatch):
    monkeypatch.setattr(type(TASK), "recipes", {"laptop": RECIPE})
    data = store.prepare(TASK, tmp_path, "laptop", quiet)
    assert data.provenance == "generated"
    x = TASK.assemble(data.split("train").x)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, TASK.encode(data.split("train").x))


def test_encode_takes_token_ids_only():
    ids = np.arange(2 * LENGTH).reshape(2, LENGTH)
    assert TASK.encode(ids).shape == (2, *TASK.shape)
    for wrong in (ids[:, :-1], -ids, ids + 0.5):
        with pytest.raises(RequestError):
            TASK.encode(wrong)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty"),
        ('{"module": "a.py", "kind": "call", "te', r"line 1: expected an object"),
        ('{"module": "a.py", "kind": "poem", "text": "x"}', r"line 1: expected an object"),
        ('\n["a.py", "call", "x"]', r"line 2: expected an object"),
    ],
)
def test_a_damaged_file_is_told_in_one_line(folder, tmp_path, content, told):
    (tmp_path / tokenizer.FILE).write_bytes((folder / tokenizer.FILE).read_bytes())
    (tmp_path / "text.jsonl").write_text(content)
    with pytest.raises(DataError, match=rf"text\.jsonl.*{told}") as caught:
        TASK.read(tmp_path, quiet)
    assert "\n" not in str(caught.value)


def test_the_shipped_body_of_text_reads_it_and_that_of_signals_does_not(raw):
    ecg = tasks.get("ecg")

    def build(body, source):
        run = Run(task="ecg", data="", body=body, source=source.name, source_data="", patch=20)
        return methods.build(run, ecg, ecg.criterion, {}, source, raw.statistics if source is TASK else {})

    objective = build("roberta-mini-text", TASK)
    source = torch.from_numpy(TASK.assemble(raw.train.x[:2])), torch.from_numpy(np.array(raw.train.y[:2]))
    mixing = Mixing(*source, torch.tensor(16), None)
    losses = objective(torch.randn(2, *ecg.shape), torch.tensor([0, 3]), mixing)
    assert losses.watched["lambda"].tolist() == pytest.approx([16 / 50] * 2)
    with pytest.raises(RequestError, match="source is 'text': the body roberta-mini was pretrained on signals"):
        build("roberta-mini", TASK)
    with pytest.raises(RequestError, match="source is 'signals': the body roberta-mini-text was pretrained on text"):
        build("roberta-mini-text", tasks.get("signals"))
