"""Folders of models as people have them: whole and silent, or refused in one line before anything is trained."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, RobertaConfig, RobertaForMaskedLM, SwinConfig, SwinModel
from transformers.utils import logging

from pare.errors import RequestError
from pare.method import body as bodies

_SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def _roberta():
    return RobertaForMaskedLM(RobertaConfig(vocab_size=11, max_position_embeddings=66, type_vocab_size=1, **_SIZES))


def _bert():
    return BertForMaskedLM(BertConfig(vocab_size=11, max_position_embeddings=64, **_SIZES))


def _swin():
    sizes = {"image_size": 16, "patch_size": 2, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2]}
    return SwinModel(SwinConfig(window_size=4, **sizes))


@pytest.fixture
def saved(tmp_path, request):
    getattr(request, "param", _roberta)().save_pretrained(tmp_path)
    return tmp_path


def _change(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def _configure(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def _refused(folder, words):
    with pytest.raises(RequestError) as error:
        bodies.load(str(folder))
    assert re.search(words, str(error.value)), str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("saved", [_roberta, _bert, _swin], indirect=True)
def test_a_whole_model_is_loaded_without_a_word(saved, capfd):
    capfd.readouterr()
    assert bodies.load(str(saved)).width == 16
    assert capfd.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled()


@pytest.mark.parametrize("saved", [_roberta, _bert, _swin], indirect=True)
def test_missing_weights_are_named_and_never_random(saved):
    key = next(key for key in sorted(load_file(saved / "model.safetensors")) if key.endswith("output.dense.bias"))
    _change(saved, lambda tensors: tensors.pop(key))
    _refused(saved, r"lacks weights, encoder\.layers?\.0\.")


def test_weights_of_another_shape_are_named(saved):
    _configure(saved, intermediate_size=48)
    _refused(saved, r"other shapes than its config.json says, encoder\.layer\.0\.intermediate\.dense\.bias")


def test_layers_that_the_configuration_leaves_out_are_named(saved):
    _configure(saved, num_hidden_layers=1)
    _refused(saved, r"no place for, .*encoder\.layer\.1\.attention.* and \d+ more")


def test_weights_that_are_not_finite_are_named(saved):
    def spoil(tensors):
        tensors["roberta.encoder.layer.0.output.dense.bias"][3] = torch.nan

    _change(saved, spoil)
    _refused(saved, r"not finite, encoder\.layer\.0\.output\.dense\.bias")


@pytest.mark.parametrize("kind", ["gpt2", "llama", "made-up"])
def test_other_types_are_refused(saved, kind):
    (saved / "config.json").write_text(json.dumps({"model_type": kind}))
    _refused(saved, f"is of type '{kind}': choose one of beit, ")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        ("model.safetensors", b"", "cannot be loaded"),
        ("model.safetensors", None, "holds no weights"),
        ("config.json", None, "holds no config.json"),
        ("config.json", b"{", "cannot be loaded"),
        ("config.json", b"{}", "cannot be loaded|is of type"),
        ("config.json", b"[]", "cannot be loaded"),
    ],
)
def test_damaged_folders_are_told(saved, name, content, words):
    (saved / name).unlink()
    if content is not None:
        (saved / name).write_bytes(content)
    _refused(saved, words)


def test_truncated_weights_are_told(saved):
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    _refused(saved, "cannot be loaded")


def test_an_empty_folder_and_one_of_a_pickle_are_told(tmp_path, saved):
    (tmp_path / "empty").mkdir()
    _refused(tmp_path / "empty", "is empty: give a folder that save_pretrained wrote")
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    _refused(saved, "holds pytorch_model.bin only, a pickle")


def test_code_that_comes_with_a_model_is_never_run(saved):
    _configure(saved, model_type="own", auto_map={"AutoConfig": "code.Config"})
    (saved / "code.py").write_text("raise SystemExit('ran')")
    _refused(saved, "is of type 'own': choose one of beit")
    _configure(saved, model_type="roberta")
    assert bodies.load(str(saved)).width == 16
