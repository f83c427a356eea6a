"""What every family owes: a small random model of each, saved as transformers saves it and loaded from its folder."""

import copy
import json
from types import SimpleNamespace

import pytest
import torch

from pare import losses
from pare.config import Run
from pare.errors import RequestError
from pare.method import bodies as families
from pare.method import body as bodies
from pare.method import methods, tuning
from pare.method.bodies.vision import VisionTransformer
from pare.method.objective import Mixing
from pare.training import optim
from tests.method.bodies.small import CONFIGS

TARGETS = {
    "1d": SimpleNamespace(kind="classification", shape=(2, 60), output_shape=(4,)),
    "2d": SimpleNamespace(kind="classification", shape=(1, 20, 24), output_shape=(4,)),
}
SOURCES = {
    "1d": SimpleNamespace(kind="classification", shape=(1, 32), output_shape=(6,), text=True),
    "2d": SimpleNamespace(kind="classification", shape=(3, 24, 24), output_shape=(6,)),
}
FIXED_SIZE = ("swin", "swinv2")
"""Families whose layers know their grid."""


class Member:
    """A family's model, the body of it, and steps with that body."""

    def __init__(self, name, folder):
        config = copy.deepcopy(CONFIGS[name])
        self.name, self.folder, self.kind = name, folder, bodies.family(config.model_type)
        torch.manual_seed(0)
        self.model = self.kind.architecture(config, **self.kind.options).eval()
        for parameter in self.model.parameters():
            # Class tokens, biases and tables of positions are 0 at first, which would hide that one is forgotten.
            if not parameter.any():
                parameter.data.normal_(std=0.3)
        self.model.save_pretrained(folder)
        self.modality = self.kind.modality

    def load(self, **settings):
        settings.setdefault("image_size", 32)
        return bodies.load(str(self.folder), **settings).eval()

    def source(self, size=2):
        if self.modality == "2d":
            return torch.rand(size, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        return torch.randint(4, 40, (size, 1, 32), generator=torch.Generator().manual_seed(1)).float()

    def objective(self, method, **changes):
        body = str(self.folder)
        run = Run(task="t", data="", body=body, source="s", source_data="", method=method, patch=4, image_size=32)
        torch.manual_seed(0)
        sides = TARGETS[self.modality], losses.cross_entropy, {}, SOURCES[self.modality], {}
        return methods.build(run.replace({"gate.noise": 0.0, **changes}), *sides)

    def batch(self):
        generator = torch.Generator().manual_seed(2)
        return torch.randn(3, *TARGETS[self.modality].shape, generator=generator), torch.tensor([0, 3, 1])

    def mixing(self, k):
        source = SOURCES[self.modality].shape
        x = torch.rand(3, *source) if self.modality == "2d" else self.source(3)
        return Mixing(x, torch.tensor([0, 5, 2]), torch.tensor(k), None)


@pytest.fixture(scope="module", params=CONFIGS)
def member(request, tmp_path_factory):
    return Member(request.param, tmp_path_factory.mktemp("body"))


def test_every_family_is_here():
    listed = {**families.IMAGES, **families.SEQUENCES}
    assert {config.model_type for config in CONFIGS.values()} == listed.keys() - {"clip", "siglip"}


def reference(model, x, **options):
    """Features of the patches, or of all tokens, by transformers' own model."""
    if x.dim() == 3:
        return model(x[:, 0].long()).last_hidden_state
    features = model(x, **options).last_hidden_state
    return model.post_layernorm(features) if model.config.model_type == "clip_vision_model" else features


@torch.no_grad()
def test_features_are_those_of_transformers_own_model(member):
    body, x = member.load(), member.source()
    tokens = body.source_embedder(x)
    features = body(tokens)
    assert tokens.shape == (2, body.source_tokens(x.shape[2:]), body.width)
    assert features.shape[2] == body.features
    expected = reference(member.model, x)[:, -features.shape[1] :]
    assert torch.allclose(features, expected, atol=1e-5)


@torch.no_grad()
def test_other_image_sizes_interpolate_as_transformers_does(member):
    if member.modality == "1d" or member.name in FIXED_SIZE:
        pytest.skip("of bodies of images whose layers are the same for every grid")
    x = torch.rand(2, 3, 48, 48)
    body = member.load(image_size=48)
    features = body(body.source_embedder(x))
    options = {"interpolate_pos_encoding": True} if member.name in ("clip", "deit", "siglip", "vit") else {}
    expected = reference(member.model, x, **options)[:, -features.shape[1] :]
    assert torch.allclose(features, expected, atol=1e-5)
    assert body.grid == (6, 6)


def test_targets_of_any_size_become_tokens_of_an_embedder_that_learns(member):
    body = member.load()
    channels, *spatial = TARGETS[member.modality].shape
    embedder = body.embedder(channels, spatial, 4)
    tokens = embedder(torch.randn(2, channels, *spatial))
    assert tokens.shape == (2, body.tokens(spatial, 4), body.width)
    assert all(p.requires_grad for p in embedder.parameters())
    assert not any(p.requires_grad for p in body.source_embedder.parameters())
    features = body(tokens)
    assert features.shape[1] == torch.tensor(body.grid_out(tokens.shape[1])).prod()
    with pytest.raises(RequestError, match="take one of"):
        body.tokens((8, 8) if member.modality == "1d" else (64,), 1)


@pytest.mark.parametrize("method", ["pare", "nft", "fpt", "scratch"])
def test_gradients_reach_all_that_trains_and_nothing_else(member, method):
    objective = member.objective(method)
    objective(*member.batch(), member.mixing(5) if method == "pare" else None).total.mean().backward()
    for name, parameter in objective.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        assert parameter.grad is None or parameter.grad.isfinite().all(), name
    body = objective.model.body
    trained = [name for name, p in body.named_parameters() if p.requires_grad]
    assert not any(name.startswith("source_embedder.") for name in trained)
    assert (len(trained) < len(list(body.encoder.parameters()))) == (method == "fpt")


def test_it_learns_in_half_precision(member):
    objective = member.objective("pare")
    with torch.autocast("cpu", torch.bfloat16):
        half = objective(*member.batch(), member.mixing(0)).total
    half.mean().backward()
    whole = objective(*member.batch(), member.mixing(0)).total
    assert torch.allclose(half.float(), whole, rtol=0.05)
    assert all(p.grad.isfinite().all() for p in objective.model.parameters() if p.requires_grad)


def test_without_replacement_it_is_naive_fine_tuning(member):
    nft, pare = member.objective("nft"), member.objective("pare")
    batch = member.batch()
    expected = nft(*batch, None).total
    losses = pare(*batch, member.mixing(0))
    for name in ("loss_target", "loss_mixed"):
        assert torch.allclose(losses.watched[name], expected, atol=1e-5), name
    assert not losses.watched["lambda"].any()
    assert pare(*batch, member.mixing(5)).watched["lambda"].all()


def test_adapters_train_queries_and_values_and_merge(member):
    body, x = member.load(), member.source()
    tokens = body.source_embedder(x)
    before = body(tokens)
    tuning.restrict(body, "lora", 2)
    trained = [name for name, p in body.named_parameters() if p.requires_grad]
    layers = [
        part for part in body.blocks() if any(f".{body.projections[0]}." in n for n, _ in part.named_parameters())
    ]
    assert len(trained) == 2 * len({body.projections[0], body.projections[2]}) * len(layers) > 0
    assert torch.allclose(body(tokens), before, atol=1e-6)
    tuning.merge(body)
    assert torch.allclose(body(tokens), before, atol=1e-6)
    assert body.state_dict().keys() == member.load().state_dict().keys()


def test_queries_and_keys_can_rest_where_they_are_matrices_of_their_own(member):
    body = member.load()
    query, key, value = body.projections
    if query == value:
        with pytest.raises(RequestError, match="by one matrix"):
            tuning.restrict(body, "no_query_key")
        return
    tuning.restrict(body, "no_query_key")
    frozen = {name.split(".")[-2] for name, p in body.encoder.named_parameters() if not p.requires_grad}
    assert frozen == {query, key}


def test_each_block_has_a_learning_rate_of_its_own(member):
    objective = member.objective("nft")
    groups = list(optim.groups(objective, 0.5))
    members = [p for _, _, parameters in groups for p in parameters]
    assert len(members) == len(set(members)) == sum(p.requires_grad for p in objective.parameters())
    blocks = objective.model.body.blocks()
    factors = [factor for name, factor, parameters in groups if name == "body" and parameters and factor < 1]
    assert factors == [0.5**height for height in range(1, len(blocks))]


@torch.no_grad()
def test_it_is_saved_and_loaded_as_it_has_become(member):
    swin = member.name in FIXED_SIZE
    settings = {"image_size": 64} if swin else {"image_size": 32, "layers": 1, "patch_size": 4}
    body = member.load(**settings)
    tokens = body.source_embedder(member.source())
    expected = body(tokens)
    again = bodies.from_config(json.loads(body.config.to_json_string(use_diff=False))).eval()
    again.load_state_dict(body.state_dict())
    assert torch.equal(again(again.source_embedder(member.source())), expected)
    if not swin:
        assert len(again.layers) == 1
        with pytest.raises(RequestError, match="the body has 1 layers"):
            again.cut(2)


def test_special_tokens_are_kept_apart(member):
    body = member.load()
    if not isinstance(body, VisionTransformer):
        pytest.skip("of vision transformers with a class token")
    expected = {"deit": 2, "dinov2, registers": 5, "siglip": 0}.get(member.name, 1)
    assert (0 if body.special is None else len(body.special.tokens)) == expected
    tokens = body.source_embedder(member.source())
    assert tokens.shape[1] == body(tokens).shape[1] == 16
