"""Every kind of output, and sizes that no patch grid divides, through one whole step."""

from types import SimpleNamespace

import pytest
import torch
from transformers import SwinConfig, SwinModel

from pare import losses
from pare.config import Run
from pare.method import methods
from pare.method.bodies.swin import SwinBody
from pare.method.curriculum import patches
from pare.method.objective import Mixing

IMAGES = SimpleNamespace(kind="classification", shape=(3, 64, 64), output_shape=(5,))
SIGNALS = SimpleNamespace(kind="classification", shape=(1, 1000), output_shape=(5,))
KINDS = {
    "image classes": ("swin-mini", "classification", (1, 16, 52), (18,), losses.cross_entropy),
    "image labels": ("swin-mini", "multilabel", (1, 96, 102), (20,), losses.binary_cross_entropy),
    "field": ("swin-mini", "dense", (3, 85, 85), (85, 85), losses.relative_l2),
    "map of 57 channels": ("swin-mini", "dense", (57, 70, 70), (70, 70), losses.squared_error),
    "mask": ("swin-mini", "dense", (1, 33, 47), (33, 47), losses.binary_cross_entropy),
    "signal classes": ("roberta-mini", "classification", (1, 46), (24,), losses.cross_entropy),
    "signal labels": ("roberta-mini", "multilabel", (4, 120), (36,), losses.binary_cross_entropy),
    "signal to signal": ("roberta-mini", "dense", (2, 96), (50,), losses.squared_error),
}


def targets(kind, outputs, size):
    if kind == "classification":
        return torch.randint(outputs[0], (size,))
    return torch.rand(size, *outputs).round() if kind == "multilabel" else torch.rand(size, *outputs)


@pytest.mark.parametrize("name", KINDS)
def test_a_step_lowers_the_loss(name):
    body, kind, shape, outputs, loss = KINDS[name]
    source = IMAGES if body == "swin-mini" else SIGNALS
    run = Run(task="t", data="", body=body, source="s", source_data="", patch=2)
    torch.manual_seed(0)
    objective = methods.build(run, SimpleNamespace(kind=kind, shape=shape, output_shape=outputs), loss, {}, source, {})
    x, y = torch.randn(3, *shape), targets(kind, outputs, 3)
    assert objective.model(x).shape == (3, *outputs)
    n, s = objective.model.tokens, objective.model.body.source_tokens(source.shape[1:])
    mixing = Mixing(torch.randn(3, *source.shape), torch.randint(5, (3,)), torch.tensor(patches(0.4, n, s)), None)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=3e-4)
    before = objective(x, y, mixing).total.mean()
    before.backward()
    optimizer.step()
    assert objective(x, y, mixing).total.mean() < before


def test_swin_at_the_papers_size_has_3136_patches():
    config = SwinConfig(image_size=224, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 1], window_size=7)
    body = SwinBody(SwinModel(config, add_pooling_layer=False))
    embedder = body.embedder(1, (16, 52), 1)
    tokens = embedder(torch.randn(1, 1, 16, 52))
    assert tokens.shape == (1, 3136, 8)
    assert body.tokens((16, 52), 1) == body.source_tokens((32, 32)) == 3136
    assert body(tokens).shape[2] == body.features
