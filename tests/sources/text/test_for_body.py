"""Text is cut into the tokens of the body that reads it, whichever that is, and the run's model takes it."""

import json
import shutil

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

from pare import tasks
from pare.config import Run
from pare.data import store
from pare.data.provider import DataProvider
from pare.errors import RequestError
from pare.method import methods
from pare.sources.text import corpus, tokenizer
from pare.tasks.own.importer import bring

_SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
_TEXTS = ["the body reads its own words, not another's", "def f(x): return x", "raise ValueError"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(tasks, "_own", [])
    some = dict(list(corpus.modules().items())[:60])
    monkeypatch.setattr(corpus, "modules", lambda: some)


def _roberta(folder, padded=0):
    words = tokenizer.train(_TEXTS, 300)
    config = RobertaConfig(vocab_size=words.get_vocab_size() + padded, max_position_embeddings=514, **_SIZES)
    RobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    words.save(str(folder / tokenizer.FILE))
    return folder


def _bert(folder):
    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words.train_from_iterator(_TEXTS, trainers.WordPieceTrainer(vocab_size=200, special_tokens=special))
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    config = BertConfig(vocab_size=words.get_vocab_size(), max_position_embeddings=64, **_SIZES)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    words.save(str(folder / tokenizer.FILE))
    return folder


def _padded(folder):
    return _roberta(folder, padded=24)


def _filling(folder):
    """A tokenizer that pads and truncates to a length of its own, as sentence transformers have it."""
    words = tokenizer.load(_bert(folder) / tokenizer.FILE)
    words.enable_padding(length=128, pad_token="[PAD]")
    words.enable_truncation(128)
    words.save(str(folder / tokenizer.FILE))
    return folder


def _quiet(done, total):
    pass


def _prepared(root, body, source="text", preset="laptop"):
    return DataProvider.of(root, preset).prepare(tasks.get(source).for_body(str(body)), _quiet)


def _build(task, body, source, data):
    run = Run(task=task.name, data="", body=str(body), source=source, source_data="")
    run = run.replace({"patch": task.paper.get("patch", 1)})
    return methods.build(run, task, task.criterion, {}, tasks.get(source), data.statistics, tasks.get(source).criterion)


@pytest.mark.parametrize("preset", ["laptop", "paper"])
@pytest.mark.parametrize("make", [_roberta, _padded, _bert, _filling])
@pytest.mark.parametrize("source", ["text", "conll2000"])
def test_own_sequences_and_a_body_of_their_users_go_together(tmp_path, make, source, preset):
    if preset == "paper" and source == "conll2000":
        pytest.skip("has no recipe for it: official files only")
    body = make(tmp_path / "body")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", x=rng.normal(size=(60, 100)), y=np.arange(60) % 2)
    task = bring(tmp_path, "own", tmp_path / "x.npz")
    assert task.paper["source"] == "text"
    data = _prepared(tmp_path, body, source, preset)
    objective = _build(task, body, source, data)
    ids = np.array(data.split("train").x[:8])
    assert int(ids.max()) < json.loads((body / "config.json").read_text())["vocab_size"]
    assert objective.source_head is not None


def test_the_same_tokenizer_is_the_same_data_wherever_it_lies(tmp_path):
    shutil.copytree(_bert(tmp_path / "a"), tmp_path / "b")
    keys = {store.origin(tasks.get("text").for_body(str(tmp_path / name)), tmp_path, "laptop").key for name in "ab"}
    other = store.origin(tasks.get("text").for_body(str(_roberta(tmp_path / "c"))), tmp_path, "laptop").key
    assert len(keys | {other}) == 2


@pytest.mark.parametrize("body", ["roberta-mini-text", "roberta-mini", "swin-mini", ""])
def test_bodies_of_the_package_have_the_data_that_they_had(tmp_path, body):
    text = tasks.get("text")
    assert store.origin(text.for_body(body), tmp_path, "laptop").key == store.origin(text, tmp_path, "laptop").key


def test_another_node_makes_the_same_for_the_same_body(tmp_path):
    body = _bert(tmp_path / "body")
    key = _prepared(tmp_path / "here", body).key
    there = DataProvider.of(tmp_path / "there", "laptop")
    assert there.makes(tasks.get("text").for_body(str(body)), key)
    assert not there.makes(tasks.get("text"), key)
    own = there.prepare(tasks.get("signals"), _quiet).key
    there.ready(
        Run(task="signals", data=own, body=str(body), source="text", source_data=key),
        tasks.get("signals"),
        tasks.get("text"),
    )
    assert (tmp_path / "there" / key).is_dir()


def test_a_body_without_a_tokenizer_is_told_before_anything_is_prepared(tmp_path):
    body = _bert(tmp_path / "body")
    (body / tokenizer.FILE).unlink()
    with pytest.raises(RequestError, match=r"has no tokenizer\.json, which a source of text needs") as error:
        _prepared(tmp_path, body)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "text").exists()


def test_tokens_of_another_body_are_still_refused(tmp_path):
    task = tasks.get("ecg")
    with pytest.raises(RequestError, match="its tokens are of a vocabulary of"):
        _build(task, _bert(tmp_path / "body"), "text", _prepared(tmp_path, "roberta-mini-text"))
