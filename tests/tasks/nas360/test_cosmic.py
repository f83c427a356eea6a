import io
import tarfile

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from pare.data import store
from pare.errors import DataError
from pare.tasks.nas360.cosmic import task
from pare.tasks.nas360.cosmic.images import GALAXIES
from pare.tasks.nas360.cosmic.task import TASK

RNG = np.random.default_rng(0)


def _quiet(done, total):
    pass


def _tar(path, files):
    with tarfile.open(path, "w") as archive:
        for name, array in files.items():
            content = io.BytesIO()
            np.save(content, array)
            member = tarfile.TarInfo(name)
            member.size = content.tell()
            content.seek(0)
            archive.addfile(member, content)


def _image(value, planes=3):
    image = np.zeros((planes, 256, 256), np.float32)
    image[0] = value + np.arange(256)[:, None] / 1000
    image[1, 70:80, 70] = 1
    image[2:, 64, 64] = 1
    return image


def _official(folder, **changes):
    """Two visits to train on, one to test; of the latter no sky is known."""
    files = {
        "x/npy_train/f435w/10760/2/1_0.npy": _image(10),
        "x/npy_train/f435w/10760/2/2_0.npy": _image(20, planes=2),
        "x/npy_train/f435w/10760/2/sky.npy": np.array([1.0, 2.0]),
        "x/npy_train/f435w/12513/3/1_0.npy": _image(30),
        "x/npy_train/f435w/12513/3/sky.npy": np.array([3.0]),
        "x/npy_train/f435w/9442/1/1_0.npy": _image(40),  # a globular cluster
        "x/npy_train/f814w/10760/2/1_0.npy": _image(50),  # another filter
        "x/npy_test/f435w/14343/1/1_0.npy": _image(60),
    } | {f"x/{name}": array for name, array in changes.items()}
    for name, part in zip(TASK.files, ("train", "test"), strict=True):
        _tar(folder / name, {path: array for path, array in files.items() if f"npy_{part}" in path})
    return folder


def _read(folder):
    raw = TASK.read(folder, _quiet)
    return {name: list(getattr(raw, name)) for name in ("train", "val", "test")}, raw.statistics


def test_only_f435w_images_of_galaxies_are_taken(tmp_path):
    splits, _ = _read(_official(tmp_path))
    values = {name: [x[0, 0] - 0.064 for chunk in chunks for x in chunk.x] for name, chunks in splits.items()}
    assert {name: pytest.approx(expected) for name, expected in values.items()} == {
        "train": [10, 20],
        "val": [30],
        "test": [60],
    }


def test_the_benchmarks_fields(tmp_path):
    assert len(GALAXIES) == len(set(GALAXIES)) == 25


def test_images_are_cut_to_their_middle_and_carry_their_sky(tmp_path):
    (chunk,), *_ = _read(_official(tmp_path))[0].values()
    np.testing.assert_array_equal(TASK.assemble(chunk.x)[0, 0], _image(10)[0, 64:192, 64:192])
    assert chunk.x[:, 128].tolist() == [[1.0] * 128, [2.0] * 128]
    assert chunk.y[0, 0].sum() == 10
    assert chunk.y[0, 0, 6:16, 6].all()
    assert (chunk.y[0, 1].sum(), chunk.y[0, 1, 0, 0], chunk.y[1, 1].sum()) == (1, 1, 0)


def test_a_visit_without_sky_has_none(tmp_path):
    *_, (test,) = _read(_official(tmp_path))[0].values()
    assert not test.x[:, 128].any()


def test_statistics_are_of_the_training_images(tmp_path):
    splits, statistics = _read(_official(tmp_path))
    pixels = splits["train"][0].x[:, :128]
    assert statistics["input_mean"] == pytest.approx(pixels.mean(), rel=1e-5)
    assert statistics["input_std"] == pytest.approx(pixels.std(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("npy_train/f435w/10760/2/1_0.npy", np.zeros((256, 256)), r"expected \(3, 256, 256\)"),
        ("npy_train/f435w/10760/2/1_0.npy", np.full((3, 256, 256), np.nan), "finite"),
        ("npy_train/f435w/10760/2/3_0.npy", _image(1), "no exposure '3'"),
        ("npy_train/f435w/10760/2/x.npy", _image(1), "no exposure 'x.npy'"),
        ("npy_train/f435w/10760/2/sky.npy", np.array([1.0, np.inf]), "finite"),
    ],
)
def test_malformed_files_are_named(tmp_path, name, array, expected):
    with pytest.raises(DataError, match=expected) as error:
        _read(_official(tmp_path, **{name: array}))
    assert str(tmp_path / TASK.files[0]) in str(error.value)


def test_one_visit_is_too_few(tmp_path):
    files = {"npy_train/f435w/10760/2/1_0.npy": _image(10), "npy_test/f435w/14343/1/1_0.npy": _image(60)}
    for name, part in zip(TASK.files, ("train", "test"), strict=True):
        _tar(tmp_path / name, {path: array for path, array in files.items() if part in path})
    with pytest.raises(DataError, match="one visit only"):
        TASK.read(tmp_path, _quiet)


def test_unpacked_archives_read_the_same(tmp_path):
    root = tmp_path / "unpacked" / "cosmic" / "raw"
    packed = tmp_path / "packed" / "cosmic" / "raw"
    packed.mkdir(parents=True)
    for name in TASK.files:
        with tarfile.open(_official(packed) / name) as archive:
            archive.extractall(root / name.removesuffix(".tar"), filter="data")
    one, other = (store.prepare(TASK, tmp_path / name, "laptop", _quiet) for name in ("packed", "unpacked"))
    for name in one.counts:
        np.testing.assert_array_equal(one.split(name).x, other.split(name).x)
    assert other.provenance == "real"


def test_training_images_get_between_minus_a_bit_and_three_times_their_sky():
    x = np.zeros((400, 129, 128), np.float32)
    x[:, 128] = np.linspace(1, 2, 400)[:, None]
    added, _ = TASK.augment(
        x.copy(), np.zeros((400, 2, 128, 128), np.float32), RNG.integers(0, 2**63, 400).astype("u8")
    )
    times = added[:, :128] / x[:, 128:, :]
    assert np.ptp(times, axis=(1, 2)).max() < 1e-5
    assert -0.9 <= times.min() < -0.8
    assert 2.9 < times.max() <= 3
    np.testing.assert_array_equal(added[:, 128], x[:, 128])


@pytest.fixture(scope="module")
def scored():
    y = (RNG.random((6, 2, 16, 16)) < [[[[0.05]], [[0.3]]]]).astype(np.float32)
    # Rounded, so that there are ties.
    logits = np.round(RNG.normal(-1, 1, (6, 16, 16)) + 1.5 * y[:, 0], 1).astype(np.float32)
    kept = y[:, 1] == 0
    return logits, y, logits[kept], y[:, 0][kept]


def test_metrics_are_sklearns_over_the_pixels_that_count(scored):
    logits, y, kept, truth = scored
    assert task.one_minus_auroc(logits, y) == pytest.approx(1 - roc_auc_score(truth, kept), abs=1e-12)
    decisions = 1 - balanced_accuracy_score(truth, kept > 0)
    assert task.one_minus_balanced_accuracy(logits, y) == pytest.approx(decisions, abs=1e-12)
    # The published figure is the area under the curve of decisions, which is the same.
    assert decisions == pytest.approx(1 - roc_auc_score(truth, kept > 0))
    assert task.missed(logits, y) == pytest.approx(100 * (kept[truth == 1] <= 0).mean())


def test_ignored_pixels_do_not_matter(scored):
    logits, y, *_ = scored
    other = np.where(y[:, 1] == 1, 9.0, logits).astype(np.float32)
    for metric in (TASK.metric, *TASK.extra_metrics):
        assert TASK.score(metric, other, _split(y)) == TASK.score(metric, logits, _split(y))
    losses = [TASK.criterion(torch.from_numpy(each), torch.from_numpy(y)) for each in (logits, other)]
    assert torch.equal(*losses)


def _split(y):
    return task.Split(y, y, np.arange(len(y)))


def test_the_criterion_is_the_mean_cross_entropy_of_the_pixels_that_count(scored):
    logits, y, *_ = scored
    p = 1 / (1 + np.exp(-logits[2]))
    kept = y[2, 1] == 0
    expected = -np.where(y[2, 0] == 1, np.log(p), np.log(1 - p))[kept].mean()
    assert float(TASK.criterion(torch.from_numpy(logits), torch.from_numpy(y))[2]) == pytest.approx(expected, rel=1e-5)


def test_a_sample_that_is_ignored_altogether_costs_nothing():
    y = torch.ones(1, 2, 8, 8)
    logits = torch.ones(1, 8, 8, requires_grad=True)
    loss = TASK.criterion(logits, y)
    loss.sum().backward()
    assert loss.tolist() == [0]
    assert not logits.grad.any()


def test_larger_images_are_cut_as_in_training():
    image = RNG.normal(size=(2, 256, 256))
    np.testing.assert_array_equal(TASK.encode(image)[:, 0], image[:, 64:192, 64:192].astype(np.float32))
