"""The lean blocks against Hugging Face's, in values and in gradients."""

import pytest
import torch
from transformers import SwinConfig, SwinModel

from pare.method import body as bodies
from pare.method import tuning
from pare.method.bodies.swin import SwinBody

SMALL = {"embed_dim": 32, "depths": [2, 2], "num_heads": [2, 4], "drop_path_rate": 0.0}


def made(window, side):
    torch.manual_seed(0)
    model = SwinModel(SwinConfig(image_size=4 * side, window_size=window, **SMALL), add_pooling_layer=False)
    for name, parameter in model.named_parameters():
        if "bias_table" in name:
            torch.nn.init.normal_(parameter)
    return model, SwinBody(model)


def tokens(body, batch=3):
    return torch.randn(batch, body.grid[0] * body.grid[1], body.width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("window", "side"), [(4, 16), (7, 14), (4, 8), (3, 12)])
def test_values_and_gradients_are_those_of_hugging_face(window, side):
    model, body = made(window, side)
    assert body.windowed is not None
    x = tokens(body).requires_grad_()
    inputs = [x, *model.encoder.parameters()]

    def of(forward):
        out = forward(x)
        return out, torch.autograd.grad(out.square().sum(), inputs)

    ours, our_gradients = of(body)
    theirs, their_gradients = of(lambda x: model.layernorm(model.encoder(x, body.grid).last_hidden_state))
    assert torch.allclose(ours, theirs, atol=1e-6)
    for a, b in zip(our_gradients, their_gradients, strict=True):
        assert (a - b).norm() <= 1e-5 * b.norm() + 1e-5


def test_in_bf16_the_values_are_those_of_hugging_face_too():
    model, body = made(7, 14)
    with torch.autocast("cpu", torch.bfloat16):
        theirs = model.layernorm(model.encoder(tokens(body), body.grid).last_hidden_state)
        assert torch.allclose(body(tokens(body)), theirs, atol=2e-2)


def test_a_grid_that_needs_padding_goes_through_hugging_face():
    model, body = made(7, 15)
    assert body.windowed is None
    expected = model.layernorm(model.encoder(tokens(body), body.grid).last_hidden_state)
    assert torch.equal(body(tokens(body)), expected)


def test_buffers_that_follow_from_the_configuration_are_not_stored():
    _, body = made(4, 16)
    assert not [name for name in body.state_dict() if name.startswith("windowed")]


def test_adapters_are_heard():
    _, body = made(4, 16)
    tuning.restrict(body, "lora", lora_rank=2)
    before = body(tokens(body))
    for name, parameter in body.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    assert not torch.allclose(body(tokens(body)), before)


@pytest.mark.parametrize("name", ["swin-mini", "roberta-mini"])
def test_in_half_precision_gradients_keep_their_direction(name):
    torch.manual_seed(0)
    body = bodies.load(name).train()
    samples = torch.rand(4, 3, 64, 64) if body.modality == "2d" else torch.randn(4, 1, 1000)
    x = body.source_embedder(samples).detach()
    weights = torch.randn(body.features)
    trained = [p for p in body.parameters() if p.requires_grad]

    def gradient():
        found = torch.autograd.grad((body(x).float() @ weights).square().mean(), trained, allow_unused=True)
        return torch.cat([g.flatten() for g in found if g is not None])

    exact = gradient()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = gradient()
    assert torch.nn.functional.cosine_similarity(exact, rounded, dim=0) > 0.999
