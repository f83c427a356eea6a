from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn
from transformers import RobertaConfig, RobertaModel

from pare.config import MethodName, Run
from pare.errors import RequestError
from pare.losses import cross_entropy
from pare.method import methods
from pare.method.catalogue import METHODS
from pare.method.objective import Mixing


def test_every_method_name_is_registered():
    assert set(METHODS) == set(get_args(MethodName))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_builds_and_learns(case, method):
    objective = case.objective(method)
    mixing = case.mixing(objective, 3, noisy=True) if METHODS[method].mixes else None
    objective(*case.batch(), mixing).total.mean().backward()
    assert all(p.grad is not None for p in objective.parameters() if p.requires_grad)


def test_frozen_body_trains_its_norms_only(case):
    body = case.objective("fpt").model.body
    norms = {id(p) for part in body.modules() if isinstance(part, nn.LayerNorm) for p in part.parameters()}
    own = {id(p) for p in body.source_embedder.parameters()}
    for parameter in body.parameters():
        assert parameter.requires_grad == (id(parameter) in norms - own)


def test_same_seed_same_weights(case):
    first, second, other = case.objective(seed=3), case.objective(seed=3), case.objective(seed=4)
    assert all((a == b).all() for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert any((a != b).any() for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_a_source_that_the_body_cannot_read_is_refused(tmp_path):
    config = {"vocab_size": 11, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    RobertaModel(RobertaConfig(**config, max_position_embeddings=66), add_pooling_layer=False).save_pretrained(tmp_path)
    target = SimpleNamespace(kind="classification", shape=(1, 60), output_shape=(3,))

    def build(method, text, **statistics):
        source = SimpleNamespace(kind="classification", shape=(1, 32), output_shape=(8,), text=text)
        run = Run(task="t", data="", body=str(tmp_path), source="signals", source_data="", method=method)
        return methods.build(run, target, cross_entropy, {}, source, statistics)

    with pytest.raises(RequestError, match=r"source is 'signals': the body .* was pretrained on text"):
        build("pare", text=False)
    build("nft", text=False)
    with pytest.raises(RequestError, match=r"vocabulary of 2048, those of the body .* of 11; .* tokenizer\.json"):
        build("pare", text=True, vocabulary=np.array(2048))
    objective = build("pare", text=True, vocabulary=np.array(11))
    ids = torch.randint(2, 11, (2, 1, 32)).float()
    mixing = Mixing(ids, torch.tensor([0, 7]), torch.tensor(5), None)
    losses = objective(torch.randn(2, 1, 60), torch.tensor([0, 2]), mixing)
    losses.total.mean().backward()
    # What is short ends in padding, which is no patch: three tokens are all that may enter.
    ids[0, :, 3:] = objective.model.body.source_embedder.embeddings.word_embeddings.padding_idx
    short = objective(torch.randn(2, 1, 60), torch.tensor([0, 2]), mixing._replace(source_x=ids)).watched["lambda"]
    places = objective.model.tokens
    assert (short * places).tolist() == pytest.approx([3, 5])
    assert (losses.watched["lambda"] * places).tolist() == pytest.approx([5, 5])
    assert objective.gate.score.weight.grad.abs().sum() > 0
