import numpy as np
import pytest
import torch

from pare.errors import DataError
from pare.tasks.nas360.deepsea import simulator
from pare.tasks.nas360.deepsea.task import TASK

RNG = np.random.default_rng(0)
X = np.eye(4, dtype=np.uint8)[RNG.integers(0, 4, (6, 1000))]
Y = RNG.integers(0, 2, (6, 36)).astype(np.uint8)


def _quiet(done: int, total: int) -> None:
    pass


def _write(folder, **changes):
    arrays = {
        f"{variable}_{name}": array
        for name in ("train", "val", "test")
        for variable, array in zip("xy", (X, Y), strict=True)
    }
    arrays = {name: array for name, array in (arrays | changes).items() if array is not None}
    path = folder / TASK.files[0]
    np.savez(path, **arrays)
    return path


def test_parts_are_read_as_they_were_split(tmp_path):
    _write(tmp_path, x_val=X[::-1], y_val=Y[::-1], x_test=X[:4], y_test=Y[:4])
    raw = TASK.read(tmp_path, _quiet)
    assert [len(raw.train), len(raw.val), len(raw.test)] == [6, 6, 4]
    np.testing.assert_array_equal(raw.val.x, X[::-1].transpose(0, 2, 1))
    np.testing.assert_array_equal(raw.val.y, Y[::-1])
    np.testing.assert_array_equal(TASK.assemble(raw.val.x), TASK.encode(X[::-1]))


def test_metric_is_the_probability_that_a_positive_scores_higher():
    rng = np.random.default_rng(1)
    scores, y = rng.standard_normal((80, 36)).round(1), (rng.random((80, 36)) < 0.2).astype(np.float32)
    y[:, 3], y[:, 7] = 0, 1  # classes without a curve
    areas = []
    for mark in set(range(36)) - {3, 7}:
        positive, negative = scores[y[:, mark] == 1, mark], scores[y[:, mark] == 0, mark]
        above = positive[:, None] - negative
        areas.append(np.mean((above > 0) + 0.5 * (above == 0)))
    assert TASK.metric.compute(scores, y) == pytest.approx(1 - np.mean(areas), abs=1e-12)
    assert TASK.metric.compute(y, y) == 0
    assert TASK.metric.compute(np.full_like(scores, 0.3), y) == 0.5


def test_positives_count_four_times():
    logits, y = torch.randn(5, 36, dtype=torch.float64), torch.from_numpy(RNG.integers(0, 2, (5, 36))).double()
    share = torch.sigmoid(logits)
    expected = -(4 * y * share.log() + (1 - y) * (1 - share).log()).mean(1)
    torch.testing.assert_close(TASK.criterion(logits, y), expected)


def test_marked_sequences_carry_the_motif_on_either_strand():
    x, y = simulator.simulate(400, np.random.default_rng(0))
    assert x.shape == (400, 1000, 4)
    assert (x.sum(axis=2) == 1).all()
    motif = np.eye(4)[simulator._MOTIFS[0]]
    windows = np.lib.stride_tricks.sliding_window_view(x, 10, axis=1)  # (n, places, 4, 10)
    # The other strand is read backwards, and A pairs with T, G with C.
    fits = [np.einsum("npbk,kb->np", windows, strand).max(axis=1) >= 9 for strand in (motif, motif[::-1, ::-1])]
    marked = y[:, 0] == 1
    assert (fits[0] | fits[1])[marked].mean() > 0.8 > 0.2 > (fits[0] | fits[1])[~marked].mean()
    assert min(fit[marked].mean() for fit in fits) > 0.4


def test_open_sequences_have_more_marks_and_more_g_and_c():
    x, y = simulator.simulate(1000, np.random.default_rng(0))
    strong = x[:, :, 1:3].sum(axis=(1, 2)) / 1000
    assert np.corrcoef(strong, y.sum(axis=1))[0, 1] > 0.3
    assert 0.05 < y.mean() < 0.4


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"x_val": None}, "x_val"),
        ({"y_test": None}, "y_test"),
        ({"x_train": X.transpose(0, 2, 1)}, "x_train has shape (6, 4, 1000)"),
        ({"x_test": X[:0]}, "x_test has shape (0, 1000, 4)"),
        ({"x_val": X * 2}, "x_val should hold zeros and ones"),
        ({"y_val": Y[:, :35]}, "y_val has shape (6, 35)"),
        ({"y_val": Y[:5]}, "6 sequences in x_val, 5 rows in y_val"),
        ({"y_test": Y * 0.5}, "y_test should hold zeros and ones"),
        ({"y_train": np.ones_like(Y)}, "y_train is the same in every row"),
        ({"x_train": np.full(3, None)}, "x_train"),
    ],
)
def test_malformed_file_is_one_line(tmp_path, changes, expected):
    path = _write(tmp_path, **changes)
    with pytest.raises(DataError) as error:
        TASK.read(tmp_path, _quiet)
    assert str(path) in str(error.value)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
