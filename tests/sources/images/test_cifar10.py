import io
import pickle
import tarfile

import numpy as np
import pytest

from pare.data import checks
from pare.errors import DataError
from pare.sources.images.cifar10 import TASK
from pare.tasks.nas360.cifar100 import archive as cifar

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 3, 32, 32), dtype=np.uint8)
LABELS = np.arange(24).reshape(6, 4) % 10
NAMES = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]


def _quiet(done: int, total: int) -> None:
    pass


def _batch(images, labels, name="batch", protocol=2, key=lambda text: text):
    content = {
        "batch_label": f"{name} of 6",
        "labels": labels,
        "data": images.reshape(len(images), images[0].size if len(images) else 3072),
        "filenames": [f"{index}.png" for index in range(len(images))],
    }
    return pickle.dumps({key(name): value for name, value in content.items()}, protocol)


def _packed(folder, **changes):
    """The archive with its folder entry, its meta data and its readme; a member that is None is left out."""
    members = {name: _batch(*pair, name) for name, *pair in zip(NAMES, IMAGES, LABELS.tolist(), strict=True)}
    members |= {"batches.meta": pickle.dumps({"label_names": list(TASK.labels)}), "readme.html": b"<html>"}
    path = folder / TASK.files[0]
    with tarfile.open(path, "w:gz") as archive:
        top = tarfile.TarInfo("cifar-10-batches-py")
        top.type = tarfile.DIRTYPE
        archive.addfile(top)
        for name, content in (members | changes).items():
            if content is not None:
                member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("form", [{}, {"protocol": 4}, {"key": str.encode}])
def test_the_fifth_batch_is_for_validation(tmp_path, form):
    batches = zip(NAMES, IMAGES, LABELS.tolist(), strict=True)
    _packed(tmp_path, **{name: _batch(images, labels, **form) for name, images, labels in batches})
    raw = TASK.read(tmp_path, _quiet)
    for split, part in ((raw.train, slice(4)), (raw.val, slice(4, 5)), (raw.test, slice(5, 6))):
        np.testing.assert_array_equal(split.x, np.concatenate(IMAGES[part]))
        np.testing.assert_array_equal(split.y, np.concatenate(LABELS[part]))


def test_statistics_are_of_the_training_split_alone(tmp_path):
    _packed(tmp_path)
    statistics = TASK.read(tmp_path, _quiet).statistics
    np.testing.assert_allclose(statistics["input_mean"][:, 0, 0], IMAGES[:4].mean((0, 1, 3, 4)) / 255, rtol=1e-5)
    np.testing.assert_allclose(statistics["input_std"][:, 0, 0], IMAGES[:4].std((0, 1, 3, 4)) / 255, rtol=1e-5)


def test_it_reads_as_cifar100_does():
    assert isinstance(TASK, cifar.Cifar)
    assert TASK.metric is checks.ERROR
    assert len(TASK.labels) == TASK.output_shape[0]


@pytest.mark.parametrize(
    ("member", "content", "expected"),
    [
        ("data_batch_3", None, "data_batch_3"),
        ("test_batch", None, "test_batch"),
        ("data_batch_2", b"", "EOFError"),
        ("data_batch_2", _batch(IMAGES[0], [0, 1, 2, 10]), "0 to 10, expected 0 to 9"),
        ("data_batch_2", _batch(IMAGES[0], [0, 1, 2]), "labels of data_batch_2"),
        ("data_batch_2", _batch(IMAGES[0, :0], []), "n ≥ 1"),
        ("data_batch_2", _batch(IMAGES[0, ..., 1:], [0, 1, 2, 3]), "has shape (4, 2976), expected (n, 3072)"),
        ("data_batch_2", _batch(IMAGES[0] / 255, [0, 1, 2, 3]), "float64, expected bytes"),
        ("data_batch_2", pickle.dumps({"data": IMAGES[0], "fine_labels": [1] * 4}), "'data' and 'labels'"),
        ("data_batch_2", pickle.dumps(_quiet), "is refused"),
    ],
)
def test_a_bad_batch_is_told_in_one_line(tmp_path, member, content, expected):
    path = _packed(tmp_path, **{member: content})
    with pytest.raises(DataError) as error:
        TASK.read(tmp_path, _quiet)
    assert str(path) in str(error.value)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
