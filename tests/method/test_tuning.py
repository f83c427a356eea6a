import pytest
import torch
from torch import nn

from pare.config import Tuning
from pare.errors import RequestError
from pare.method import body as bodies
from pare.method import tuning


@pytest.fixture(params=["roberta-mini", "swin-mini"])
def body(request):
    torch.manual_seed(0)
    return bodies.load(request.param)


def tokens(body):
    n = 256 if body.modality == "2d" else 25
    return torch.randn(2, n, body.width, generator=torch.Generator().manual_seed(1))


def trained(body):
    return {name for name, p in body.named_parameters() if p.requires_grad}


def test_all_trains_all_but_the_bodys_own_embedder(body):
    tuning.restrict(body, "all")
    assert trained(body) == {name for name, _ in body.named_parameters() if not name.startswith("source_embedder.")}


def test_norms_trains_norms_alone(body):
    tuning.restrict(body, "norms")
    norms = {n for n, m in body.named_modules() if isinstance(m, nn.LayerNorm) and not n.startswith("source_embedder.")}
    assert {name.rpartition(".")[0] for name in trained(body)} == norms


def test_no_query_key_freezes_them_in_every_layer(body):
    tuning.restrict(body, "no_query_key")
    query, key, value = body.projections
    frozen = {
        n.split(".")[-2]
        for n, p in body.named_parameters()
        if not p.requires_grad and not n.startswith("source_embedder.")
    }
    assert frozen == {query, key}
    assert sum(f".{value}." in name for name in trained(body)) == 2 * len([m for m in body.blocks() if has(m, value)])


def has(module, name):
    return any(part.rpartition(".")[2] == name for part, _ in module.named_modules())


def test_adapters_start_as_nothing_train_alone_and_merge_into_an_ordinary_body(body):
    x, names = tokens(body), set(body.state_dict())
    before = body(x).detach()
    tuning.restrict(body, "lora", lora_rank=4)
    assert torch.allclose(body(x), before, atol=1e-5)
    assert all("lora_" in name for name in trained(body))
    assert sum(p.numel() for p in body.parameters() if p.requires_grad) < 0.2 * sum(
        p.numel() for p in body.parameters()
    )
    body(x).square().mean().backward()
    with torch.no_grad():
        for name, p in body.named_parameters():
            if "lora_" in name:
                p.add_(torch.randn_like(p) * 0.1)
    adapted = body(x).detach()
    assert not torch.allclose(adapted, before)
    tuning.merge(body)
    assert set(body.state_dict()) == names
    assert torch.allclose(body(x), adapted, atol=1e-5)


@pytest.mark.parametrize("scope", ["all", "norms", "no_query_key"])
def test_merging_an_ordinary_body_changes_nothing(body, scope):
    tuning.restrict(body, scope)
    before = body(tokens(body))
    tuning.merge(body)
    assert torch.equal(body(tokens(body)), before)


def test_drop_path_is_off_unless_asked_for():
    def rates(drop_path):
        body = bodies.load("swin-mini", drop_path=drop_path)
        return [m.drop_prob for m in body.modules() if hasattr(m, "drop_prob")]

    assert not any(rates(0.0))
    assert max(rates(0.3)) == pytest.approx(0.3)


def test_every_scope_trains(case):
    for scope in ("all", "norms", "no_query_key", "lora"):
        objective = case.objective("pare", tuning=Tuning(body=scope))
        objective(*case.batch(), case.mixing(objective, 3)).total.mean().backward()
        for name, p in objective.named_parameters():
            assert (p.grad is not None) == p.requires_grad, (scope, name)


def test_a_cut_body_gives_the_features_of_its_last_kept_layer():
    whole, body = bodies.load("roberta-mini-text").eval(), bodies.load("roberta-mini-text", layers=1).eval()
    tokens = whole.source_embedder(torch.arange(64).view(2, 32))
    expected = whole.block(whole.encoder.layer[0], tokens)
    assert torch.equal(body(tokens), expected)
    again = bodies.from_config(body.config.to_dict())
    again.load_state_dict(body.state_dict())
    assert torch.equal(again.eval()(tokens), expected)


@pytest.mark.parametrize(("name", "layers", "says"), [("roberta-mini", 3, "has 2 layers"), ("swin-mini", 1, "give 0")])
def test_a_body_that_cannot_be_cut_so_is_refused(name, layers, says):
    with pytest.raises(RequestError, match=f"num_hidden_layers is {layers}: .*{says}"):
        bodies.load(name, layers=layers)
