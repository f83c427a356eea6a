import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from pare.data import store
from pare.errors import DataError
from pare.sources.images.tiny_imagenet import CLASSES, TASK

WNIDS = [f"n{1443537 + 7 * number:08}" for number in range(CLASSES)]
TOP = "tiny-imagenet-200"


def _quiet(done: int, total: int) -> None:
    pass


def _jpeg(colour, size=(64, 64), mode="RGB", form="JPEG"):
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, form)
    return file.getvalue()


def _colour(number):
    return (number, 255 - number, 100)


def _members(images=3):
    """The files of the official archive, all but most of its images: wnids are in no order, boxes lie beside."""
    files = {"wnids.txt": "\n".join(WNIDS[::-1]).encode(), "words.txt": b"n00001740\tentity\n"}
    for number, name in enumerate(WNIDS):
        files[f"train/{name}/{name}_boxes.txt"] = f"{name}_0.JPEG\t0\t10\t63\t58\n".encode()
        for index in range(images):
            files[f"train/{name}/images/{name}_{index}.JPEG"] = _jpeg(_colour(number))
    files["val/images/val_0.JPEG"] = _jpeg(_colour(7))
    files["val/images/val_1.JPEG"] = _jpeg(90, mode="L")
    files["val/val_annotations.txt"] = (
        f"val_0.JPEG\t{WNIDS[7]}\t0\t32\t44\t62\nval_1.JPEG\t{WNIDS[150]}\t52\t55\t57\t59\n".encode()
    )
    files["test/images/test_0.JPEG"] = b"without a label: not read"
    return files


@pytest.fixture(scope="module")
def members():
    return _members()


def _packed(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TASK.files[0]
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir(TOP)
        for name, content in files.items():
            if content is not None:
                archive.writestr(f"{TOP}/{name}", content)
    return path


def test_the_last_images_of_each_class_are_for_validation(tmp_path, members):
    _packed(tmp_path / TASK.name / "raw", members)
    data = store.prepare(TASK, tmp_path, "paper", _quiet)
    train, val, test = (data.split(name) for name in ("train", "val", "test"))
    np.testing.assert_array_equal(train.y, np.repeat(np.arange(CLASSES), 2))
    np.testing.assert_array_equal(val.y, np.arange(CLASSES))
    np.testing.assert_array_equal(test.y, [7, 150])
    expected = np.array([_colour(number) for number in range(CLASSES)])
    for split in (train, val):
        assert split.x.dtype == np.uint8
        colours = split.x.mean((2, 3))
        np.testing.assert_allclose(colours, expected[np.array(split.y)], atol=3)
    np.testing.assert_allclose(test.x[1], 90, atol=1)  # the grey one, three times the same


def test_an_unpacked_folder_reads_alike(tmp_path, members):
    _packed(tmp_path / "a", members)
    for name, content in members.items():
        path = tmp_path / "b" / TOP / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    one, other = (next(iter(TASK.read(tmp_path / folder, _quiet).val)) for folder in "ab")
    np.testing.assert_array_equal(one.x, other.x)


def test_augmented_images_are_parts_of_their_image_mirrored_or_not():
    seeds = np.random.default_rng(0).integers(0, 2**64, 300, dtype=np.uint64)
    rows, columns = np.meshgrid(np.arange(64), np.arange(64), indexing="ij")
    image = np.stack([2 * rows, 2 * columns, np.full_like(rows, 200)]).astype(np.uint8)
    crops, y = TASK.augment(np.repeat(image[None], 300, axis=0), np.arange(300), seeds)
    assert (crops.shape, crops.dtype) == ((300, 3, 64, 64), np.uint8)
    assert (crops[:, 2] == 200).all()
    down = (crops[:, 0, -1, 0].astype(int) - crops[:, 0, 0, 0]) / 128
    across = (crops[:, 1, 0, -1].astype(int) - crops[:, 1, 0, 0]) / 128
    assert down.min() > 0.1
    assert np.abs(across).min() > 0.1
    assert 0.4 < (across < 0).mean() < 0.6
    # Areas are uniform between 0.08 and 1, less half a pixel at either edge, and less where a side is cut off.
    area = down * np.abs(across)
    assert 0.05 < area.min() < 0.15
    assert 0.4 < area.mean() < 0.6
    np.testing.assert_array_equal(y, np.arange(300))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"wnids.txt": None}, "wnids.txt cannot be read"),
        ({"wnids.txt": "\n".join(WNIDS[1:]).encode()}, "lists 199 classes, expected 200"),
        ({"wnids.txt": b"\xff\x00" * 5}, "lists 1 classes, expected 200"),
        ({"val/val_annotations.txt": None}, "val_annotations.txt cannot be read"),
        ({"val/val_annotations.txt": b"val_0.JPEG n01443537\n"}, "is not an image, one of the classes"),
        ({"val/val_annotations.txt": b""}, "no sample for test"),
        ({"val/images/val_1.JPEG": None}, "val_1.JPEG cannot be read"),
        ({f"train/{WNIDS[3]}/images/{WNIDS[3]}_{index}.JPEG": None for index in (0, 1)}, f"{WNIDS[3]}/images holds 1"),
        ({f"train/{WNIDS[3]}/images/{WNIDS[3]}_1.JPEG": b""}, f"{WNIDS[3]}_1.JPEG is not a whole JPEG"),
        ({f"train/{WNIDS[3]}/images/{WNIDS[3]}_1.JPEG": _jpeg(5, mode="L")[:-60]}, "is not a whole JPEG"),
        ({f"train/{WNIDS[3]}/images/{WNIDS[3]}_1.JPEG": _jpeg(5, form="PNG")}, "is not a whole JPEG"),
        ({f"train/{WNIDS[3]}/images/{WNIDS[3]}_1.JPEG": _jpeg(5, (64, 63))}, "64 × 63, expected 64 × 64"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_and_leaves_nothing(tmp_path, members, changes, expected):
    _packed(tmp_path / TASK.name / "raw", members | changes)
    with pytest.raises(DataError) as error:
        store.prepare(TASK, tmp_path, "paper", _quiet)
    assert expected in str(error.value)
    assert TASK.name in str(error.value)
    assert "\n" not in str(error.value)
    assert [path.name for path in (tmp_path / TASK.name).iterdir()] == ["raw"]


def test_another_archive_is_told(tmp_path):
    path = _packed(tmp_path, {"readme": b"other"})
    with pytest.raises(DataError, match=f"{path} holds no train/"):
        TASK.read(tmp_path, _quiet)
