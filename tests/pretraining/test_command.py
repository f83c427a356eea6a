"""Pretraining, and that the weights in the package are what it says of them."""

import json
import platform
from dataclasses import asdict

import numpy as np
import pytest
import torch
from transformers import RobertaModel

from pare.errors import RequestError
from pare.method import body as bodies
from pare.method import bundled, catalogue
from pare.pretraining import masked_text, trainer
from pare.pretraining.__main__ import main, run
from pare.pretraining.card import CARD, CURVE, sha256
from pare.pretraining.trainer import EASY, FIRST, Pretraining, PretrainingRecipe, multiplier
from pare.sources.text import corpus, tokenizer

SMALL = {
    "swin-mini": PretrainingRecipe(steps=5, batch=8),
    "roberta-mini": PretrainingRecipe(steps=5, batch=8),
    "roberta-mini-text": PretrainingRecipe(steps=5, batch=8, classes=8),
}
BODIES = tuple(SMALL)


@pytest.fixture(autouse=True)
def _one_thread():
    """The recorded losses are of one thread; sums in another order differ in the last digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def few_modules(monkeypatch):
    """A sixth of the standard library, which is read sooner, and a short examination."""
    every = corpus.modules
    monkeypatch.setattr(corpus, "modules", lambda: dict(list(every().items())[::6]))
    monkeypatch.setattr(trainer, "_HELD_OUT", 32)
    _forget()
    yield
    _forget()


def _forget():
    for cached in (masked_text.words, masked_text._streams, masked_text._texts):
        cached.cache_clear()


def weights(work):
    return {name: tensor.clone() for name, tensor in work.model.state_dict().items()}


@pytest.mark.parametrize("name", BODIES)
def test_resumed_equals_uninterrupted(name, tmp_path, few_modules):
    recipe = SMALL[name]
    whole = Pretraining(name, recipe)
    losses = [whole.step() for _ in range(recipe.steps)]
    interrupted = Pretraining(name, recipe)
    assert [interrupted.step() for _ in range(3)] == losses[:3]
    interrupted.save(tmp_path / "checkpoint.safetensors")
    resumed = Pretraining(name, recipe)
    resumed.restore(tmp_path / "checkpoint.safetensors")
    assert [resumed.step() for _ in range(2)] == losses[3:]
    expected, actual = weights(whole), weights(resumed)
    assert all(torch.equal(actual[tensor], expected[tensor]) for tensor in expected)
    assert [r | {"seconds": 0} for r in resumed.state.curve] == [r | {"seconds": 0} for r in whole.state.curve]


def test_another_recipe_does_not_go_on(tmp_path):
    Pretraining("roberta-mini", SMALL["roberta-mini"]).save(tmp_path / "checkpoint.safetensors")
    with pytest.raises(RequestError, match="give the same, or another --out"):
        run("roberta-mini", PretrainingRecipe(steps=6, batch=8), tmp_path)


def test_a_finished_pretraining_leaves_its_files_and_is_not_repeated(tmp_path, capsys):
    arguments = ["roberta-mini", "--steps", "2", "--batch", "8", "--out", str(tmp_path)]
    assert main(arguments) == 0
    written = {path.name: sha256(path) for path in tmp_path.iterdir()}
    expected = {catalogue.CONFIG, catalogue.WEIGHTS, bundled.EMBEDDER, CARD, CURVE}
    assert written.keys() == expected
    capsys.readouterr()
    assert main(arguments) == 0
    assert "already" in capsys.readouterr().out
    assert {path.name: sha256(path) for path in tmp_path.iterdir()} == written


@pytest.mark.parametrize("name", BODIES)
def test_what_is_left_loads_as_it_was_trained(name, tmp_path, few_modules):
    work = Pretraining(name, SMALL[name])
    for _ in range(2):
        work.step()
    bundled.write(work.body, work.model.embedder, tmp_path)
    body = bodies.load(name, pretrained=False)
    bundled.read(body, tmp_path)
    x = torch.from_numpy(work.lesson.draw(np.arange(2), 0.5)[0])
    with torch.no_grad():
        assert torch.equal(body(body.source_embedder(x)), work.body(work.model.embedder(x)))
    if name == "roberta-mini-text":
        embeddings = work.body.source_embedder.embeddings
        positions = embeddings.position_embeddings.weight[2:] + embeddings.token_type_embeddings.weight[0]
        assert torch.equal(body.positions, positions)  # for targets


def test_hardness_rises_only_in_step_with_accuracy():
    work = Pretraining("roberta-mini", SMALL["roberta-mini"])
    work.step()
    assert work.state.hardness == EASY
    work.state.running = 0.9
    work.step()
    assert work.state.hardness > EASY


def test_the_rate_rises_over_the_warm_up_and_ends_at_nothing():
    assert multiplier(0.015) == pytest.approx(0.5)
    assert multiplier(0.03) == pytest.approx(1)
    assert multiplier(1) == pytest.approx(0)


def test_a_window_of_text_does_not_depend_on_its_company(few_modules):
    windows = masked_text.Windows(masked_text.words(), "train", seed=0)
    ids, kinds = windows.draw(np.arange(100, 116), 1.0)
    alone, kind = windows.draw(np.arange(109, 110), 1.0)
    assert (alone[0] == ids[9]).all()
    assert kind[0] == kinds[9] == 109 % 8
    assert 0.3 < (ids[:, 1:-1] == windows.mask).mean() < 0.7
    assert not (windows.draw(np.arange(16), 0.0)[0] == windows.mask).any()


def test_a_body_of_text_leaves_its_tokenizer_and_what_it_knows_of_modules_held_out(tmp_path, few_modules):
    arguments = ["roberta-mini-text", "--classes", "8", "--steps", "2", "--batch", "8", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert tokenizer.load(tmp_path / tokenizer.FILE).get_vocab_size() == masked_text.VOCABULARY
    record = json.loads((tmp_path / CURVE).read_text())
    assert 0 <= record["curve"][-1]["held_out"] <= 1
    assert f"{record['curve'][-1]['held_out']:.3f} on modules held out" in (tmp_path / CARD).read_text()


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--classes", "65"], ["--lr", "-1"]])
def test_a_wrong_request_is_told_in_one_line(arguments, tmp_path, capsys):
    assert main(["roberta-mini", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith(arguments[0])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", BODIES)
def test_shipped_weights_begin_as_recorded(name):
    record = json.loads((catalogue.folder(name) / CURVE).read_text())
    if record.get("python", platform.python_version()) != platform.python_version():
        pytest.skip(f"read the standard library of Python {record['python']}, not of {platform.python_version()}")
    work = Pretraining(name, PretrainingRecipe(**record["recipe"]))
    assert [work.step() for _ in range(FIRST)] == pytest.approx(record["first_losses"], rel=1e-3)


@pytest.mark.parametrize("name", BODIES)
def test_card_and_record_agree_with_the_files(name):
    folder = catalogue.folder(name)
    record, card = json.loads((folder / CURVE).read_text()), (folder / CARD).read_text()
    files = [*folder.glob("*.safetensors"), *folder.glob(tokenizer.FILE)]
    assert record["sha256"] == {path.name: sha256(path) for path in files}
    assert all(digest in card for digest in record["sha256"].values())
    recipe, end = PretrainingRecipe(**record["recipe"]), record["curve"][-1]
    assert end["step"] == recipe.steps
    assert f"accuracy {end['accuracy']:.3f}" in card
    assert " ".join(f"--{key} {value}" for key, value in asdict(recipe).items()) in card
    assert end.get("held_out", end["accuracy"]) > min(10 / recipe.classes, 0.5)


def test_hugging_face_reads_the_shipped_body_of_text():
    folder = catalogue.folder("roberta-mini-text")
    model, info = RobertaModel.from_pretrained(folder, add_pooling_layer=False, output_loading_info=True)
    assert not any(info.values())
    body = bodies.load("roberta-mini-text").eval()
    ids = torch.randint(5, masked_text.VOCABULARY, (2, 40))
    assert torch.equal(body(body.source_embedder(ids)), model.eval()(ids).last_hidden_state)


def test_shipped_weights_are_small():
    size = sum(path.stat().st_size for name in BODIES for path in catalogue.folder(name).iterdir())
    assert size <= 12e6
