"""Pictures from arrays: the right ones, readable as PNG, and true to the arrays in their colours."""

import io

import numpy as np
import pytest
from PIL import Image

from pare import tasks
from pare.reporting.tensorboard.images import draw
from tests.reporting.fakes import arrays

IMAGES = {"pictures/intermediate_modality", "pictures/gate", "pictures/predictions"}


def opened(picture):
    image = Image.open(io.BytesIO(picture.png))
    assert (image.width, image.height) == (picture.width, picture.height)
    return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("task", "tags"),
    [("darcy", IMAGES), ("ecg", {"pictures/intermediate_modality", "pictures/gate", "pictures/confusion"})],
)
def test_each_kind_of_task_has_its_pictures(task, tags):
    pictures = draw(tasks.get(task), arrays(task) | {"epoch": 1})
    assert set(pictures) == tags
    said = {
        "pictures/intermediate_modality": "target, source, and the target with its patches of lowest score replaced",
        "pictures/gate": "The gate's score of each patch",
        "pictures/predictions": "Predictions for validation samples",
        "pictures/confusion": "a row per true class",
    }
    for tag, picture in pictures.items():
        assert len(np.unique(opened(picture).reshape(-1, 3), axis=0)) > 10, "there is something to see"
        assert said[tag] in picture.description
        assert len(picture.png) < 200_000


def test_a_report_without_arrays_has_none():
    assert draw(tasks.get("ecg"), {"epoch": 2}) == {}


def test_what_is_not_there_is_not_drawn():
    without = {name: value for name, value in arrays("darcy").items() if name.split("/")[1] in ("input", "truth")}
    without["pictures/prediction"] = without["pictures/truth"]
    assert set(draw(tasks.get("darcy"), without)) == {"pictures/predictions"}


@pytest.mark.parametrize("task", ["darcy", "ecg"])
def test_a_mixture_has_the_colours_of_both_sides(task):
    """Warm colours, red above blue, are the source's; cold ones the target's."""

    def warm(share):
        shown = arrays(task)
        shown["pictures/replaced"] = np.zeros_like(shown["pictures/replaced"])
        shown["pictures/replaced"][:, :, : round(share * shown["pictures/replaced"].shape[2])] = True
        pixels = opened(draw(tasks.get(task), shown)["pictures/intermediate_modality"])
        third = pixels[:, 2 * pixels.shape[1] // 3 :]
        return int((third[..., 0] > third[..., 2] + 20).sum())

    assert warm(0) == 0
    assert 0 < warm(0.4) < warm(0.8)


def test_a_source_without_pixels_leaves_gaps():
    shown = arrays("ecg")
    shown["pictures/source"] = np.full_like(shown["pictures/source"], np.nan)
    shown["pictures/mixed"] = np.where(np.arange(1000) < 500, np.nan, shown["pictures/mixed"])
    shown["pictures/replaced"] = np.arange(25).reshape(1, 1, 25).repeat(3, axis=0) < 13
    pixels = opened(draw(tasks.get("ecg"), shown)["pictures/intermediate_modality"])
    blank = (247, 248, 250)
    target, source, mixed = (pixels[22:106, x : x + 264] for x in (8, 280, 552))
    assert (source == blank).all()
    assert (mixed[:, :130] == blank).all()
    assert (mixed[:, 136:] != blank).any()
    assert (target[:, :130] != blank).any()


def test_an_exact_prediction_shows_no_difference():
    shown = arrays("darcy")
    shown["pictures/prediction"] = shown["pictures/truth"]
    pixels = opened(draw(tasks.get("darcy"), shown)["pictures/predictions"])
    panel = pixels[40:140, -140:-20]
    assert (panel == 247).all(), "the middle of the scale"


def test_many_classes_are_shaded_without_numbers():
    counts = {"pictures/confusion": np.eye(100, dtype=np.int32) * 7}
    pixels = opened(draw(tasks.get("cifar100"), counts)["pictures/confusion"])
    assert pixels.shape[0] < 400
    cells = pixels[26:326:3, 16:316:3]
    assert (cells[np.eye(100, dtype=bool)] == (8, 69, 148)).all()
    assert (cells[~np.eye(100, dtype=bool)] == 255).all()


def test_a_constant_sample_is_drawn_too():
    shown = {name: np.zeros_like(array) for name, array in arrays("darcy").items()}
    pictures = draw(tasks.get("darcy"), shown)
    assert set(pictures) == IMAGES
    panel = opened(pictures["pictures/intermediate_modality"])[22:172, 8:158]
    assert (panel == (8, 20, 50)).all(), "the target's darkest"
