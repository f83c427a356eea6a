"""Pictures in folders of their classes: whatever a camera, a microscope or a scanner writes comes in as it is."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pare import tasks
from pare.errors import DataError, RequestError
from pare.tasks.own.image_folder import read
from pare.tasks.own.importer import bring


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(tasks, "_own", [])


def _folder(root, draw, suffix=".png", count=4, **options):
    """Two classes of pictures that `draw(number)` makes, as images or arrays."""
    for label, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for number in range(count):
            image = draw(label * count + number)
            image = image if isinstance(image, Image.Image) else Image.fromarray(image)
            image.save(root / name / f"{number}{suffix}", **options)
    return root


@pytest.mark.parametrize(
    ("dtype", "suffix", "said"),
    [
        (np.uint16, ".png", "16 bit"),
        (np.uint16, ".tif", "16 bit"),
        (np.int32, ".tif", "32-bit integers"),
        (np.float32, ".tif", "floating point"),
    ],
)
def test_deep_pictures_keep_their_values(tmp_path, dtype, suffix, said):
    ramp = np.arange(63).reshape(7, 9) * 1000
    samples = read(_folder(tmp_path, lambda number: (ramp + number).astype(dtype), suffix))
    assert samples.x.shape == (8, 7, 9, 1)
    np.testing.assert_array_equal(samples.x[5, ..., 0], ramp + 5)
    assert said in samples.found
    task = bring(tmp_path / "root", "own", tmp_path)
    assert task.shape == (1, 7, 9)
    assert task.encode(ramp[None]).shape == task.encode(ramp[None, ..., None]).shape == (1, 1, 7, 9)


def test_large_deep_pictures_are_resized_without_being_clipped(tmp_path):
    samples = read(_folder(tmp_path, lambda number: np.full((448, 300), 60_000 + number, np.uint16)))
    assert samples.x.shape == (8, 224, 224, 1)
    np.testing.assert_allclose(samples.x[3], 60_003, rtol=1e-5)
    assert "8 of 8 images resized to 224×224 pixels" in samples.converted


def test_pictures_of_two_depths_are_refused(tmp_path):
    draw = lambda number: np.full((8, 8), number, np.uint16 if number % 2 else np.uint8)  # noqa: E731
    with pytest.raises(DataError, match=r"1.png is of 16 bit, .*0.png of 8 bit"):
        read(_folder(tmp_path, draw))


def test_alpha_is_a_channel_where_it_says_something(tmp_path):
    clear = lambda number: np.full((8, 6, 4), [9, 9, 9, 10 * number], np.uint8)  # noqa: E731
    samples = read(_folder(tmp_path / "a", clear))
    assert samples.x.shape == (8, 8, 6, 4)
    assert samples.x[2, 0, 0, 3] == 20
    assert bring(tmp_path / "root", "own", tmp_path / "a").shape == (4, 8, 6)
    opaque = lambda number: np.full((8, 6, 4), [number, 9, 9, 255], np.uint8)  # noqa: E731
    samples = read(_folder(tmp_path / "b", opaque))
    assert samples.x.shape == (8, 8, 6, 3)
    assert any("alpha left out" in phrase for phrase in samples.converted)


def test_transparency_of_a_palette_is_seen(tmp_path):
    def draw(number):
        image = Image.new("P", (6, 8), number % 2)
        image.putpalette([0, 0, 0, 200, 0, 0])
        return image

    samples = read(_folder(tmp_path, draw, transparency=0))
    assert samples.x[:2, 0, 0].tolist() == [[0, 0, 0, 0], [200, 0, 0, 255]]


def test_photographs_stand_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to the right
    wide = np.zeros((4, 8, 3), np.uint8)
    wide[:, :4] = 255
    samples = read(_folder(tmp_path, lambda _: wide, ".jpg", exif=exif, quality=95))
    assert samples.x.shape == (8, 8, 4, 3)
    assert samples.x[0, :3].min() > 200 > 60 > samples.x[0, 5:].max()
    assert "8 images turned as their EXIF orientation says" in samples.converted


@pytest.mark.parametrize("height", [1, 3, 4, 5])
def test_the_height_of_pictures_is_not_taken_for_channels(tmp_path, height):
    draw = lambda number: np.full((height, 9, 3), number, np.uint8)  # noqa: E731
    task = bring(tmp_path / "root", "own", _folder(tmp_path / "images", draw))
    assert task.shape == (3, height, 9)
    assert task.encode(np.zeros((2, height, 9, 3))).shape == (2, 3, height, 9)


def test_files_that_are_not_read_are_counted(tmp_path):
    _folder(tmp_path, lambda number: np.full((8, 8), number, np.uint8))
    (tmp_path / "cat" / "inner").mkdir()
    for name in ("cat/a.dcm", "cat/b.dcm", "dog/._0.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert read(tmp_path).left_out == ("2 × .dcm", "1 × .png", "1 × .txt", "1 × folder in a folder of a class")


def test_pictures_of_other_kinds_come_as_colours_and_are_named(tmp_path):
    samples = read(_folder(tmp_path, lambda _: Image.new("CMYK", (8, 8), (0, 255, 255, 0)), ".jpg"))
    assert samples.x[0, 0, 0, 0] > 200 > 60 > samples.x[0, 0, 0, 1]
    assert "images of mode CMYK as RGB" in samples.converted


def test_colours_of_16_bit_are_scaled_to_8_and_named(tmp_path):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + struct.pack(">18H", *[0x8000] * 18) for _ in range(6))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 6, 6, 16, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "0.png").write_bytes(png)
    samples = read(tmp_path)
    assert (samples.x == 0x80).all()
    assert samples.converted == ("2 images of 16 bit a colour as 8 bit",)


def test_several_frames_are_refused(tmp_path):
    pages = [Image.new("L", (8, 8), shade) for shade in (1, 2, 3)]
    _folder(tmp_path, lambda _: pages[0], ".tif", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"0.tif has 3 frames: give a picture a file"):
        read(tmp_path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    _folder(tmp_path, lambda _: Image.new("1", (13_000, 13_000)), count=1)
    with pytest.raises(DataError, match="DecompressionBomb"):
        read(tmp_path)


@pytest.mark.parametrize("names", [("train", "test"), ("train", "val"), ("Training", "Validation")])
def test_splits_of_which_one_is_missing_are_no_classes(tmp_path, names):
    for name in names:
        _folder(tmp_path / name, lambda number: np.full((8, 8), number, np.uint8))
    with pytest.raises(DataError, match="give train, val and test"):
        read(tmp_path)


def test_splits_go_by_their_usual_names(tmp_path):
    for name in ("Train", "valid", "test"):
        _folder(tmp_path / name, lambda number: np.full((8, 8), number, np.uint8))
    assert set(read(tmp_path).split) == {"train", "val", "test"}


@pytest.mark.parametrize("option", [{"label": "x"}, {"group": "patient"}, {"drop": ("x",)}, {"channels": "first"}])
def test_options_of_tables_are_refused(tmp_path, option):
    _folder(tmp_path / "images", lambda number: np.full((8, 8), number, np.uint8))
    with pytest.raises(RequestError, match="leave it out"):
        bring(tmp_path, "own", tmp_path / "images", **option)
