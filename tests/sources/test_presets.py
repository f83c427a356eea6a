"""Whatever a task names as the source of its patches is there, and its body can read it."""

from types import SimpleNamespace

import pytest

from pare import tasks
from pare.config import Run
from pare.errors import RequestError
from pare.method import body, methods
from pare.method.catalogue import METHODS

_SMALL = {
    "microsoft/swin-base-patch4-window7-224-in22k": {
        "model_type": "swin",
        "image_size": 224,
        "patch_size": 4,
        "embed_dim": 8,
        "depths": [1, 1],
        "num_heads": [1, 2],
    },
    "FacebookAI/roberta-base": {
        "model_type": "roberta",
        "vocab_size": 50265,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 514,
    },
}
"""Bodies of the published ones' interface."""


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch):
    load = body.load

    def small(name, **options):
        return body.from_config(_SMALL[name]) if name in _SMALL else load(name, **options)

    monkeypatch.setattr(body, "load", small)


def _build(task, settings):
    run = Run(task=task.name, data="", body="", source="", source_data="").replace(settings)
    source = tasks.get(run.source)
    return methods.build(run, task, task.criterion, {}, source, {}, source.criterion)


@pytest.mark.parametrize("preset", ["paper", "laptop"])
@pytest.mark.parametrize("name", tasks.names())
def test_the_source_of_a_preset_fits_its_body_and_its_target(name, preset):
    task = tasks.get(name)
    settings = {**task.paper, **(task.laptop if preset == "laptop" else {})}
    assert settings["source"] in tasks.sources()
    source = tasks.get(settings["source"])
    assert source.modality == task.modality
    # Masks go with maps: beside classes they would be the harder task of the two.
    assert source.kind == "classification" or task.kind == "dense"
    assert source.synthetic == "generated" or preset == "paper", "the laptop preset needs no files"
    objective = _build(task, settings)
    assert objective.source_head is not None


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.reads_source])
@pytest.mark.parametrize(
    ("task", "source", "reads"),
    [
        ("darcy", "signals", "images of 3 channels"),
        ("darcy", "text", "images of 3 channels"),
        ("ecg", "fractals", "signals of 1 channel"),
        ("ecg", "voc2012", "signals of 1 channel"),
        ("ecg", "text", "signals of 1 channel"),
    ],
)
def test_a_source_that_the_body_cannot_read_is_refused(task, source, reads, method):
    chosen = tasks.get(task)
    with pytest.raises(
        RequestError, match=f"source is '{source}': the body .* was pretrained on {reads}; give"
    ) as error:
        _build(chosen, {**chosen.paper, **chosen.laptop, "source": source, "method": method})
    assert "\n" not in str(error.value)


def test_masks_serve_classes_too():
    """Each side has its own predictor."""
    task = tasks.get("cifar100")
    objective = _build(task, {**task.paper, **task.laptop, "source": "fractal-masks"})
    assert objective.source_head.outputs == tasks.get("fractal-masks").output_shape


def test_a_grey_image_is_not_for_a_body_of_colours():
    task = tasks.get("cifar100")
    grey = SimpleNamespace(kind="classification", shape=(1, 64, 64), output_shape=(3,))
    run = Run(task="cifar100", data="", body="swin-mini", source="grey", source_data="")
    with pytest.raises(RequestError, match="source is 'grey'"):
        methods.build(run, task, task.criterion, {}, grey, {})
