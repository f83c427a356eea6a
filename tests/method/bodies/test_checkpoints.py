"""Checkpoints as the hub has them: with heads, whole models of two towers, and a word on what images they expect."""

import copy
import json

import pytest
import torch
import transformers

from pare.errors import RequestError
from pare.method import body as bodies
from tests.method.bodies.small import CONFIGS

HEADS = {
    "beit": transformers.BeitForImageClassification,
    "clip": transformers.CLIPVisionModelWithProjection,
    "deit": transformers.DeiTForImageClassification,
    "dinov2": transformers.Dinov2ForImageClassification,
    "siglip": transformers.SiglipVisionModel,
    "swinv2": transformers.Swinv2ForImageClassification,
    "vit": transformers.ViTForImageClassification,
    "bert": transformers.BertForMaskedLM,
    "deberta": transformers.DebertaV2ForMaskedLM,
    "distilbert": transformers.DistilBertForMaskedLM,
    "electra": transformers.ElectraForPreTraining,
    "esm": transformers.EsmForMaskedLM,
    "modernbert": transformers.ModernBertForMaskedLM,
    "mpnet": transformers.MPNetForMaskedLM,
    "roberta": transformers.RobertaForMaskedLM,
}


def same_layers(body, model):
    """Whether every weight of the body's layers is one of the model."""
    theirs = {tensor.sum().item() for tensor in model.state_dict().values()}
    return all(tensor.sum().item() in theirs for tensor in body.encoder.state_dict().values())


@pytest.mark.parametrize("name", HEADS)
def test_a_model_with_a_head_lends_its_body(name, tmp_path):
    model = HEADS[name](copy.deepcopy(CONFIGS[name]))
    model.save_pretrained(tmp_path)
    assert same_layers(bodies.load(str(tmp_path)), model)


@pytest.mark.parametrize(
    ("whole", "make", "text"),
    [
        ("clip", transformers.CLIPModel, transformers.CLIPConfig),
        ("siglip", transformers.SiglipModel, transformers.SiglipConfig),
    ],
)
def test_a_model_of_two_towers_lends_the_one_that_sees(whole, make, text, tmp_path):
    reads = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = make(text(vision_config=CONFIGS[whole].to_dict(), text_config={**reads, "intermediate_size": 16}))
    model.save_pretrained(tmp_path)
    body = bodies.load(str(tmp_path))
    assert same_layers(body, model.vision_model)
    assert body.config.model_type == f"{whole}_vision_model"
    random = bodies.load(str(tmp_path), pretrained=False)
    assert random.state_dict().keys() == body.state_dict().keys()


@pytest.fixture
def dinov2(tmp_path):
    config = copy.deepcopy(CONFIGS["dinov2"])
    config.image_size = 296  # more than 224, which a DINOv2 is used at
    transformers.Dinov2Model(config).save_pretrained(tmp_path)
    return tmp_path


def test_images_are_as_the_family_expects_where_the_folder_does_not_say(dinov2):
    body = bodies.load(str(dinov2))
    assert body.size == body.source_embedder.size == (224, 224)
    own = body.source_statistics({"input_mean": torch.zeros(3, 1, 1).numpy(), "words": 1})
    assert own["input_mean"].ravel().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert own["words"] == 1


@pytest.mark.parametrize(
    "stated",
    [
        {"size": {"height": 64, "width": 64}},
        {"size": {"shortest_edge": 80}, "crop_size": {"height": 64, "width": 64}, "do_center_crop": True},
        {"size": 64, "crop_size": 56, "do_center_crop": False},
    ],
)
def test_images_are_as_the_folder_says(dinov2, stated):
    pixels = {"image_mean": [0.1, 0.2, 0.3], "image_std": [1.0, 1.0, 0.5]}
    (dinov2 / "preprocessor_config.json").write_text(json.dumps(stated | pixels))
    body = bodies.load(str(dinov2))
    assert body.size == (64, 64)
    assert body.source_statistics({})["input_std"].ravel().tolist() == pytest.approx([1, 1, 0.5])
    assert bodies.load(str(dinov2), image_size=32).size == (32, 32), "what is asked for goes before"


@pytest.mark.parametrize("text", ["{", "[]", '{"size": "large"}'])
def test_a_damaged_word_on_images_is_told_in_a_line(dinov2, text):
    (dinov2 / "preprocessor_config.json").write_text(text)
    with pytest.raises(RequestError, match=r"preprocessor_config\.json cannot be read .* get it anew") as error:
        bodies.load(str(dinov2))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("vit", {"image_size": 30}, "image_size is 30 with patches of 8: give a multiple, such as 32"),
        ("swin", {"image_size": 8}, "image_size is 8 with patches of 2: give at least 16"),
        ("swin", {"layers": 1}, "num_hidden_layers is 1: a Swin's stages differ"),
        ("bert", {"layers": 3}, "num_hidden_layers is 3: the body has 2 layers"),
    ],
)
def test_what_a_body_cannot_be_is_refused(name, settings, says, tmp_path):
    config = CONFIGS[name]
    bodies.family(config.model_type).architecture(copy.deepcopy(config)).save_pretrained(tmp_path)
    with pytest.raises(RequestError, match=says):
        bodies.load(str(tmp_path), **settings)


def test_an_esm_with_absolute_positions_is_refused(tmp_path):
    config = transformers.EsmConfig(**{**CONFIGS["esm"].to_dict(), "position_embedding_type": "absolute"})
    transformers.EsmModel(config).save_pretrained(tmp_path)
    with pytest.raises(RequestError, match="take an ESM-2"):
        bodies.load(str(tmp_path))
