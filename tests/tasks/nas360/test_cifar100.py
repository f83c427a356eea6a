import io
import pickle
import struct
import tarfile
import zlib

import numpy as np
import pytest

from pare.data import checks
from pare.errors import DataError, RequestError
from pare.tasks.nas360.cifar100 import simulator
from pare.tasks.nas360.cifar100.task import TASK

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 3, 32, 32), dtype=np.uint8)
FINE = [99, 0, 5, 7, 7, 30, 31, 32, 33, 34]


def _quiet(done: int, total: int) -> None:
    pass


def _packed(folder, **members):
    path = folder / TASK.files[0]
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(f"cifar-100-python/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def _batch(images=IMAGES, fine=FINE, **changes):
    return pickle.dumps({"data": images.reshape(len(images), -1), "fine_labels": fine, **changes})


def _python_2(images, fine):
    """The batch as Python 2 and its numpy pickled it: protocol 2, every text a byte string."""

    def text(string):
        return b"U" + bytes([len(string)]) + string

    data = images.tobytes()
    dtype = b"cnumpy\ndtype\n(" + text(b"u1") + b"K\x00K\x01tR(K\x03" + text(b"|") + b"NNN" + b"J\xff\xff\xff\xff" * 2
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85" + text(b"b") + b"tR(K\x01"
    array += b"(" + b"".join(b"M" + struct.pack("<H", n) for n in (len(images), 3072)) + b"t"
    array += dtype + b"K\x00tb\x89T" + struct.pack("<i", len(data)) + data + b"tb"
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in fine) + b"e"
    names = text(b"filenames") + b"](" + text(b"a.png") + text(b"b\xe9.png") + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"fine_labels") + labels + names + b"u."


def test_the_forged_batch_of_python_2_is_one():
    content = pickle.loads(_python_2(IMAGES, FINE), encoding="bytes")
    np.testing.assert_array_equal(content[b"data"], IMAGES.reshape(10, -1))


@pytest.mark.parametrize(
    "batch",
    [
        _batch,
        _python_2,
        lambda images, fine: pickle.dumps({b"data": images.reshape(len(images), -1), b"fine_labels": fine}),
    ],
)
def test_the_last_fifth_of_train_is_for_validation(tmp_path, batch):
    _packed(tmp_path, train=batch(IMAGES, FINE), test=batch(IMAGES[:2, ::-1], FINE[:2]), meta=b"not read")
    raw = TASK.read(tmp_path, _quiet)
    for split, x, y in (
        (raw.train, IMAGES[:8], FINE[:8]),
        (raw.val, IMAGES[8:], FINE[8:]),
        (raw.test, IMAGES[:2, ::-1], FINE[:2]),
    ):
        np.testing.assert_array_equal(split.x, x)
        np.testing.assert_array_equal(split.y, y)
    assert 50_000 * 4 // 5 == 40_000


def test_statistics_are_of_the_training_split_alone(tmp_path):
    _packed(tmp_path, train=_batch(), test=_batch())
    statistics = TASK.read(tmp_path, _quiet).statistics
    np.testing.assert_allclose(statistics["input_mean"][:, 0, 0], IMAGES[:8].mean((0, 2, 3)) / 255, rtol=1e-5)
    np.testing.assert_allclose(statistics["input_std"][:, 0, 0], IMAGES[:8].std((0, 2, 3)) / 255, rtol=1e-5)


def test_metric_is_the_error():
    assert TASK.metric is checks.ERROR


def test_images_are_taken_with_channels_first_or_last_as_bytes_or_numbers():
    expected = IMAGES.astype(np.float32) / 255
    for raw in (IMAGES, IMAGES.transpose(0, 2, 3, 1), IMAGES / 255):
        np.testing.assert_allclose(TASK.encode(raw), expected, atol=1e-7)
    np.testing.assert_array_equal(TASK.assemble(IMAGES), expected)
    with pytest.raises(RequestError, match=r"\[0, 1\]"):
        TASK.encode(IMAGES.astype(float))


def test_augmented_images_are_crops_of_the_padded_ones_mirrored_or_not():
    seeds = np.random.default_rng(0).integers(0, 2**64, 400, dtype=np.uint64)
    images = np.repeat(IMAGES[:1], 400, axis=0)
    crops, y = TASK.augment(images, np.arange(400), seeds)
    padded = np.pad(IMAGES[0], [(0, 0), (4, 4), (4, 4)])
    window = {padded[:, i : i + 32, j : j + 32].tobytes(): (i, j, 0) for i in range(9) for j in range(9)}
    window |= {padded[:, i : i + 32, j : j + 32][..., ::-1].tobytes(): (i, j, 1) for i in range(9) for j in range(9)}
    seen = np.array([window[np.ascontiguousarray(crop).tobytes()] for crop in crops])
    assert [set(column) for column in seen.T.tolist()] == [set(range(9)), set(range(9)), {0, 1}]
    assert 0.4 < seen[:, 2].mean() < 0.6
    np.testing.assert_array_equal(y, np.arange(400))


def test_names_are_the_classes_in_their_order():
    assert len(set(TASK.labels)) == 100
    assert list(TASK.labels) == sorted(TASK.labels)
    assert set(np.bincount(simulator.COARSE)) == {5}


def test_pictures_of_a_kind_are_alike():
    kinds = np.repeat(np.arange(0, 100, 5), 20)
    means = simulator.draw(kinds, np.random.default_rng(0)).mean((2, 3)).reshape(20, 20, 3)
    within, between = means.std(axis=1).mean(), means.mean(axis=1).std(axis=0).mean()
    assert between > within


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        (pickle.dumps([1]), "'data' and 'fine_labels'"),
        (pickle.dumps({"data": 1}), "'data' and 'fine_labels'"),
        (pickle.dumps({"data": IMAGES, "fine_labels": FINE}), "data of train has shape"),
        (_batch(IMAGES[:4], FINE[:4]), "n ≥ 5"),
        (_batch(IMAGES / 255), "float64, expected bytes"),
        (_batch(fine=FINE[:9]), "fine_labels of train"),
        (_batch(fine=[100, *FINE[1:]]), "0 to 100"),
        (pickle.dumps(zlib.crc32), "crc32"),
    ],
)
def test_malformed_batch_is_one_line(tmp_path, train, expected):
    path = _packed(tmp_path, train=train, test=_batch())
    with pytest.raises(DataError) as error:
        TASK.read(tmp_path, _quiet)
    assert str(path) in str(error.value)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_a_changed_byte_of_the_archive_is_noticed(tmp_path):
    path = _packed(tmp_path, train=_batch(), test=_batch())
    whole = path.read_bytes()
    for position in np.linspace(100, len(whole) - 5, 30).astype(int):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        with pytest.raises(DataError):
            TASK.read(tmp_path, _quiet)


def test_missing_batch_is_named(tmp_path):
    _packed(tmp_path, train=_batch())
    with pytest.raises(DataError, match="cifar-100-python/test"):
        TASK.read(tmp_path, _quiet)


def test_a_link_in_the_archive_leads_nowhere(tmp_path):
    (tmp_path / "secret").write_bytes(_batch())
    with tarfile.open(tmp_path / TASK.files[0], "w:gz") as archive:
        link = tarfile.TarInfo("cifar-100-python/train")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        archive.addfile(link)
    with pytest.raises(DataError):
        TASK.read(tmp_path, _quiet)
