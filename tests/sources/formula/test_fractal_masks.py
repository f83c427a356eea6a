import numpy as np
import pytest

from pare import tasks
from pare.data import store
from pare.errors import DataError
from pare.sources.formula import fractals
from pare.sources.formula.fractal_masks import TASK
from pare.training.loop import train

RECIPE = {"samples": 96, "hardness": 0.5, "seed": 0}


def _quiet(done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fractal-masks")
    TASK.write_synthetic(folder, RECIPE, _quiet)
    return TASK.read(folder, _quiet)


def test_its_images_are_the_fractals(tmp_path, raw):
    fractals.TASK.write_synthetic(tmp_path, RECIPE, _quiet)
    np.testing.assert_array_equal(fractals.TASK.read(tmp_path, _quiet).train.x, raw.train.x)


def test_masks_are_where_the_image_differs_from_its_ground(raw):
    assert raw.train.y.shape == (72, 64, 64)
    contrast = [
        np.abs(x[:, y == 1].mean(axis=1) - x[:, y == 0].mean(axis=1)).max()
        for x, y in zip(raw.train.x, raw.train.y, strict=True)
    ]
    assert min(contrast) > 0.1


@pytest.mark.parametrize(
    "y",
    [
        np.zeros((16, 64, 64), np.int64),
        np.zeros((16, 64, 63), np.uint8),
        np.zeros((15, 64, 64), np.uint8),
        np.full((16, 64, 64), 2, np.uint8),
        np.arange(16),
    ],
)
def test_wrong_masks_are_told_in_one_line(tmp_path, y):
    path = tmp_path / TASK.files[0]
    np.savez(path, x=np.zeros((16, 3, 64, 64), np.uint8), y=y)
    with pytest.raises(DataError, match=r"y is .*expected uint8 \(16, 64, 64\).* of numbers 0 to 1") as error:
        TASK.read(tmp_path, _quiet)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", ["pare", "orca"])
def test_a_dense_target_learns_beside_it(make_run, root, tmp_path, method):
    folder = root / TASK.name / "raw"
    if not folder.exists():
        folder.mkdir(parents=True)
        TASK.write_synthetic(folder, RECIPE, _quiet)
    key = store.prepare(TASK, root, "laptop", _quiet).key
    run = make_run("darcy", method=method, epochs=2, source=TASK.name, source_data=key, **{"alignment.steps": 3})
    reports = []
    assert train(run, root, tmp_path, lambda figures: reports.append(figures) or True) is not None
    assert reports[1]["loss"] < reports[0]["loss"]
    if method == "pare":
        assert reports[1]["loss_source"] < reports[0]["loss_source"]
        assert [r["lambda"] for r in reports] == pytest.approx([r["replaced"] for r in reports])
    assert tasks.get("darcy").kind == TASK.kind
