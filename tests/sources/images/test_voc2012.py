import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from pare.data import store
from pare.errors import DataError
from pare.sources.images.voc2012 import TASK, VOID

TOP = "VOCdevkit/VOC2012"
LISTS = "ImageSets/Segmentation"


def _quiet(done: int, total: int) -> None:
    pass


def _written(image, form):
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def _photograph(number, size=(50, 37)):
    return _written(Image.new("RGB", size, (number, 100, 255 - number)), "JPEG")


def _mask(kinds):
    """A PNG of a palette, as the official masks are."""
    image = Image.fromarray(np.asarray(kinds, dtype=np.uint8))
    image.putpalette(list(range(256)) * 3)
    assert image.mode == "P"
    return _written(image, "PNG")


def _quarters(kind):
    """An annotation of 50 × 37 pixels: an object above left, void above right, another object and background below."""
    kinds = np.zeros((37, 50), np.uint8)
    kinds[:20, :25], kinds[:20, 25:], kinds[20:, :25] = kind, VOID, 20
    return kinds


def _members(train=12, val=3):
    """The files of the official archive: more photographs than masks, lists of ids, boxes that nobody reads."""
    ids = [f"2007_{number:06}" for number in range(train + val)]
    files = {f"{LISTS}/train.txt": "".join(f"{id_}\n" for id_ in ids[:train]).encode()}
    files[f"{LISTS}/val.txt"] = "".join(f"{id_}\n" for id_ in ids[train:]).encode()
    files[f"{LISTS}/trainval.txt"] = b"not read\n"
    for number, id_ in enumerate(ids):
        files[f"JPEGImages/{id_}.jpg"] = _photograph(number)
        files[f"SegmentationClass/{id_}.png"] = _mask(_quarters(1 + number))
    files["JPEGImages/2009_000001.jpg"] = b"without a mask: not read"
    files["Annotations/2009_000001.xml"] = b"<annotation/>"
    return files


def _packed(folder, files, top=TOP):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TASK.files[0]
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            if content is not None:
                member = tarfile.TarInfo(f"{top}/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def test_images_are_squashed_and_masks_are_their_foreground(tmp_path):
    _packed(tmp_path / TASK.name / "raw", _members())
    data = store.prepare(TASK, tmp_path, "paper", _quiet)
    assert dict(data.counts) == {"train": 11, "val": 1, "test": 3}
    expected = np.broadcast_to(np.arange(224) < 112, (224, 224))
    for name, first in (("train", 0), ("val", 11), ("test", 12)):
        split = data.split(name)
        assert split.x.dtype == split.y.dtype == np.uint8
        for index, (x, y) in enumerate(zip(split.x, split.y, strict=True)):
            np.testing.assert_allclose(x.mean((1, 2)), [first + index, 100, 255 - first - index], atol=2)
            np.testing.assert_array_equal(y, expected)


def test_void_and_background_are_no_foreground(tmp_path):
    kinds = np.zeros((37, 50), np.uint8)
    kinds[:, 10:20], kinds[:, 20:30] = VOID, 15
    _packed(tmp_path, _members() | {"SegmentationClass/2007_000000.png": _mask(kinds)})
    mask = next(iter(TASK.read(tmp_path, _quiet).train)).y[0]
    columns = (np.arange(224) + 0.5) / 224 * 50
    np.testing.assert_array_equal(mask, np.broadcast_to((columns >= 20) & (columns < 30), (224, 224)))


def test_a_grey_photograph_and_a_mask_without_palette_are_read(tmp_path):
    grey = _written(Image.new("L", (50, 37), 60), "JPEG")
    plain = _written(Image.fromarray(_quarters(3)), "PNG")
    _packed(tmp_path, _members() | {"JPEGImages/2007_000000.jpg": grey, "SegmentationClass/2007_000000.png": plain})
    split = next(iter(TASK.read(tmp_path, _quiet).train))
    np.testing.assert_allclose(split.x[0], 60, atol=1)
    np.testing.assert_array_equal(split.y[0], split.y[1])


FIRST = {"image": "JPEGImages/2007_000000.jpg", "mask": "SegmentationClass/2007_000000.png"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({f"{LISTS}/val.txt": None}, "val.txt cannot be read"),
        ({f"{LISTS}/val.txt": b""}, "no sample for test"),
        ({f"{LISTS}/train.txt": b"2007_000000\n"}, "lists 1 images, expected 2 or more"),
        ({f"{LISTS}/train.txt": b"2007_000000\n2012_000000\n"}, "2012_000000.jpg cannot be read"),
        ({FIRST["image"]: None}, "2007_000000.jpg cannot be read"),
        ({FIRST["mask"]: None}, "2007_000000.png cannot be read"),
        ({FIRST["image"]: _photograph(0)[:-90]}, "2007_000000.jpg is not a whole JPEG"),
        ({FIRST["image"]: _mask(_quarters(1))}, "2007_000000.jpg is not a whole JPEG"),
        ({FIRST["mask"]: _mask(_quarters(1))[:-40]}, "2007_000000.png is not a whole PNG"),
        ({FIRST["mask"]: b""}, "2007_000000.png is not a whole PNG"),
        ({FIRST["mask"]: _mask(_quarters(1).T)}, "37 × 50 in mode P"),
        ({FIRST["mask"]: _written(Image.new("RGB", (50, 37)), "PNG")}, "50 × 37 in mode RGB"),
        ({FIRST["mask"]: _mask(_quarters(21))}, "holds the number 21, expected 0 to 20 and 255"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_and_leaves_nothing(tmp_path, changes, expected):
    _packed(tmp_path / TASK.name / "raw", _members() | changes)
    with pytest.raises(DataError) as error:
        store.prepare(TASK, tmp_path, "paper", _quiet)
    assert expected in str(error.value)
    assert TASK.name in str(error.value)
    assert "\n" not in str(error.value)
    assert [path.name for path in (tmp_path / TASK.name).iterdir()] == ["raw"]


def test_another_archive_is_told(tmp_path):
    path = _packed(tmp_path, {"Main/train.txt": b"2007_000000\n"}, top="VOCdevkit/VOC2012/ImageSets")
    with pytest.raises(DataError, match=f"{path} holds no {LISTS}/"):
        TASK.read(tmp_path, _quiet)
