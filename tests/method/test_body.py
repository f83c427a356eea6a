import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel, SwinConfig, SwinModel

from pare.errors import RequestError
from pare.method import body as bodies
from pare.method import catalogue
from pare.method.bodies.bert import BertBody, RobertaBody
from pare.method.bodies.swin import SwinBody
from pare.method.embedder import adapt


def small_swin():
    return SwinModel(
        SwinConfig(image_size=16, patch_size=2, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4),
        add_pooling_layer=False,
    )


def small_roberta(**more):
    config = RobertaConfig(
        vocab_size=11,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=102,
        type_vocab_size=1,
        **more,
    )
    return RobertaModel(config, add_pooling_layer=False)


def test_swin_features_are_those_of_the_whole_model():
    model = small_swin().eval()
    body = SwinBody(model).eval()
    image = torch.randn(2, 3, 16, 16)
    assert torch.equal(body(body.source_embedder(image)), model(image).last_hidden_state)
    assert body.grid_out(body.tokens((16, 16), 1)) == (4, 4)


def test_roberta_features_are_those_of_the_whole_model():
    model = small_roberta().eval()
    body = RobertaBody(model).eval()
    ids = torch.randint(2, 11, (2, 30))
    assert torch.equal(body(body.source_embedder(ids.float())), model(ids).last_hidden_state)
    embeddings = torch.randn(2, 30, 16)
    tokens = model.embeddings.LayerNorm(embeddings + body.positions[:30])
    expected = model(inputs_embeds=embeddings).last_hidden_state
    assert torch.allclose(body(tokens), expected, atol=1e-6)


def test_bert_features_are_those_of_the_whole_model():
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    model = BertModel(BertConfig(vocab_size=11, max_position_embeddings=64, **sizes), add_pooling_layer=False).eval()
    body = BertBody(model).eval()
    ids = torch.randint(1, 11, (2, 30))
    assert torch.equal(body(body.source_embedder(ids.float())), model(ids).last_hidden_state)
    assert body.tokens((640,), 10) == 64, "all its positions, the first included"


def test_text_and_signal_bodies_read_their_own_source():
    text, signals = RobertaBody(small_roberta()), RobertaBody(small_roberta(signal_patch=20))
    assert text.source_embedder(torch.ones(2, 32)).shape == (2, text.source_tokens((32,)), 16) == (2, 32, 16)
    assert (
        signals.source_embedder(torch.randn(2, 1, 1000)).shape == (2, signals.source_tokens((1000,)), 16) == (2, 50, 16)
    )
    assert not any(p.requires_grad for body in (text, signals) for p in body.source_embedder.parameters())
    for body in (text, signals):
        embedder = body.embedder(3, (120,), 4)
        assert embedder(torch.randn(2, 3, 120)).shape == (2, 30, 16)
        assert all(p.requires_grad for p in embedder.parameters())
        assert torch.equal(embedder.positions, body.positions[:30])


def test_roberta_accepts_all_its_positions_and_no_more():
    body = RobertaBody(small_roberta())
    assert body.tokens((1000,), 10) == 100
    for length, patch in ((1010, 10), (1000, 7)):
        with pytest.raises(RequestError, match=f"patch is {patch}"):
            body.tokens((length,), patch)


def test_each_body_refuses_the_other_modality():
    with pytest.raises(RequestError, match=r"images take one of .*swin"):
        bodies.load("roberta-mini").tokens((8, 8), 1)
    with pytest.raises(RequestError, match=r"sequences take one of .*roberta"):
        bodies.load("swin-mini").tokens((100,), 1)


@pytest.mark.parametrize("make", [small_swin, small_roberta])
def test_local_directory_loads_as_saved(make, tmp_path):
    model = make()
    model.save_pretrained(tmp_path)
    body = bodies.load(str(tmp_path))
    for name, parameter in body.encoder.state_dict().items():
        assert torch.equal(parameter, model.encoder.state_dict()[name])
    random = bodies.load(str(tmp_path), pretrained=False)
    assert [p.shape for p in random.parameters()] == [p.shape for p in body.parameters()]


def test_unreachable_body_says_what_to_do():
    with pytest.raises(RequestError, match="hf download nobody/nothing") as error:
        bodies.load("nobody/nothing")
    assert "\n" not in str(error.value)


def test_body_of_another_kind_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"choose one of .*swin.* \(images\)"):
        bodies.from_config({"model_type": "gpt2"})


@pytest.mark.parametrize("channels", [1, 3, 4, 57])
def test_adapted_filters_keep_the_size_of_the_response(channels):
    source = nn.Conv2d(3, 64, 4, 4)
    target = adapt(source, channels, (4, 4))
    constant = torch.ones(1, 1, 4, 4)
    expected = source(constant.expand(1, 3, 4, 4))
    # The cycle weighs RGB unevenly where 3 does not divide the channels; the mean over filters evens it out.
    response = target(constant.expand(1, channels, 4, 4))
    if channels % 3 == 0:
        assert torch.allclose(response, expected, atol=1e-5)
    assert response.std().item() < 2.5 * expected.std().item()


def test_adapted_filters_equal_the_source_where_nothing_changes():
    source = nn.Conv1d(1, 8, 20, 20)
    assert torch.equal(adapt(source, 1, (20,)).weight, source.weight)
    resampled = adapt(source, 1, (10,))
    assert torch.allclose(resampled.weight.sum(-1), source.weight.sum(-1), atol=0.5)
    assert resampled.kernel_size == (10,)


def test_initialisation_is_scaled_to_the_width():
    body = bodies.load("swin-mini")
    linear = next(m for m in body.encoder.modules() if isinstance(m, nn.Linear))
    expected = (2 / (linear.in_features + linear.out_features)) ** 0.5
    assert linear.weight.std().item() == pytest.approx(expected, rel=0.1)


SHIPPED = ("swin-mini", "roberta-mini")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_loaded_unless_random_ones_are_asked_for(name):
    assert catalogue.is_pretrained(name)
    first, second = bodies.load(name).state_dict(), bodies.load(name).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    random = bodies.load(name, pretrained=False).state_dict()
    assert {key: tensor.shape for key, tensor in random.items()} == {key: t.shape for key, t in first.items()}
    assert not any(torch.equal(random[key], first[key]) for key in first if first[key].ndim > 1)
    assert bodies.load(name, pretrained=False).config.to_dict() == bodies.load(name).config.to_dict()
    assert not any(p.requires_grad for p in bodies.load(name).source_embedder.parameters())


def test_a_small_body_without_weights_is_random(monkeypatch):
    monkeypatch.setitem(catalogue.SMALL, "swin-other", catalogue.SMALL["swin-mini"])
    assert not catalogue.is_pretrained("swin-other")
    assert bodies.load("swin-other").width == 32


def test_hugging_face_reads_the_shipped_swin():
    model = SwinModel.from_pretrained(catalogue.folder("swin-mini"), add_pooling_layer=False).eval()
    body = bodies.load("swin-mini").eval()
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(body(body.source_embedder(images)), model(images).last_hidden_state)


def test_hugging_face_reads_the_shipped_roberta():
    model = RobertaModel.from_pretrained(catalogue.folder("roberta-mini"), add_pooling_layer=False).eval()
    body = bodies.load("roberta-mini").eval()
    signals = torch.randn(2, 1, 1000)
    embeddings = body.source_embedder.projection(signals).transpose(1, 2)
    expected = model(inputs_embeds=embeddings).last_hidden_state
    assert torch.allclose(body(body.source_embedder(signals)), expected, atol=1e-5)
    assert torch.equal(body.source_embedder.positions, body.positions)


@pytest.mark.parametrize(("name", "make"), [("swin-mini", SwinModel), ("roberta-mini", RobertaModel)])
def test_hugging_face_misses_no_tensor_of_the_shipped_bodies(name, make):
    _, info = make.from_pretrained(catalogue.folder(name), add_pooling_layer=False, output_loading_info=True)
    assert not any(info.values())
