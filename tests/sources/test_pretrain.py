"""Pretraining by formula, and that the weights in the package are what it says of them."""

import json
from dataclasses import asdict

import pytest
import torch

from pare.errors import RequestError
from pare.method import body as bodies
from pare.method import shipped
from pare.sources.pretrain import main, run
from pare.sources.pretrain_card import CARD, CURVE, sha256
from pare.sources.pretraining import EASY, FIRST, Pretraining, Recipe, multiplier

BODIES = ("swin-mini", "roberta-mini")
SMALL = Recipe(steps=5, batch=8)


@pytest.fixture(autouse=True)
def _one_thread():
    """The recorded losses are of one thread; sums in another order differ in the last digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def weights(work):
    return {name: tensor.clone() for name, tensor in work.model.state_dict().items()}


@pytest.mark.parametrize("name", BODIES)
def test_resumed_equals_uninterrupted(name, tmp_path):
    whole = Pretraining(name, SMALL)
    losses = [whole.step() for _ in range(SMALL.steps)]
    interrupted = Pretraining(name, SMALL)
    assert [interrupted.step() for _ in range(3)] == losses[:3]
    interrupted.save(tmp_path / "checkpoint.safetensors")
    resumed = Pretraining(name, SMALL)
    resumed.restore(tmp_path / "checkpoint.safetensors")
    assert [resumed.step() for _ in range(2)] == losses[3:]
    expected, actual = weights(whole), weights(resumed)
    assert all(torch.equal(actual[tensor], expected[tensor]) for tensor in expected)
    assert [r | {"seconds": 0} for r in resumed.state.curve] == [r | {"seconds": 0} for r in whole.state.curve]


def test_another_recipe_does_not_go_on(tmp_path):
    Pretraining("roberta-mini", SMALL).save(tmp_path / "checkpoint.safetensors")
    with pytest.raises(RequestError, match="give the same, or another --out"):
        run("roberta-mini", Recipe(steps=6, batch=8), tmp_path)


def test_a_finished_pretraining_leaves_its_files_and_is_not_repeated(tmp_path, capsys):
    arguments = ["roberta-mini", "--steps", "2", "--batch", "8", "--out", str(tmp_path)]
    assert main(arguments) == 0
    written = {path.name: sha256(path) for path in tmp_path.iterdir()}
    expected = {shipped.CONFIG, shipped.WEIGHTS, shipped.EMBEDDER, CARD, CURVE}
    assert written.keys() == expected
    capsys.readouterr()
    assert main(arguments) == 0
    assert "already" in capsys.readouterr().out
    assert {path.name: sha256(path) for path in tmp_path.iterdir()} == written


@pytest.mark.parametrize("name", BODIES)
def test_what_is_left_loads_as_it_was_trained(name, tmp_path):
    work = Pretraining(name, SMALL)
    for _ in range(2):
        work.step()
    shipped.write(work.body, work.model.embedder, tmp_path)
    body = bodies.load(name, pretrained=False)
    shipped.read(body, tmp_path)
    x = torch.randn(2, *work.source.shape)
    with torch.no_grad():
        assert torch.equal(body(body.own(x)), work.body(work.model.embedder(x)))


def test_hardness_rises_only_in_step_with_accuracy():
    work = Pretraining("roberta-mini", SMALL)
    work.step()
    assert work.state.hardness == EASY
    work.state.running = 0.9
    work.step()
    assert work.state.hardness > EASY


def test_the_rate_rises_over_the_warm_up_and_ends_at_nothing():
    assert multiplier(0.015) == pytest.approx(0.5)
    assert multiplier(0.03) == pytest.approx(1)
    assert multiplier(1) == pytest.approx(0)


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--classes", "65"], ["--lr", "-1"]])
def test_a_wrong_request_is_told_in_one_line(arguments, tmp_path, capsys):
    assert main(["roberta-mini", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith(arguments[0])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", BODIES)
def test_shipped_weights_begin_as_recorded(name):
    record = json.loads((shipped.folder(name) / CURVE).read_text())
    work = Pretraining(name, Recipe(**record["recipe"]))
    assert [work.step() for _ in range(FIRST)] == pytest.approx(record["first_losses"], rel=1e-3)


@pytest.mark.parametrize("name", BODIES)
def test_card_and_record_agree_with_the_files(name):
    folder = shipped.folder(name)
    record, card = json.loads((folder / CURVE).read_text()), (folder / CARD).read_text()
    assert record["sha256"] == {path.name: sha256(path) for path in folder.glob("*.safetensors")}
    assert all(digest in card for digest in record["sha256"].values())
    recipe, end = Recipe(**record["recipe"]), record["curve"][-1]
    assert end["step"] == recipe.steps
    assert f"accuracy {end['accuracy']:.3f}" in card
    assert " ".join(f"--{key} {value}" for key, value in asdict(recipe).items()) in card
    assert end["accuracy"] > 10 / recipe.classes


def test_shipped_weights_are_small():
    size = sum(path.stat().st_size for name in BODIES for path in shipped.folder(name).iterdir())
    assert size <= 12e6
