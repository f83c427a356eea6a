import h5py
import numpy as np
import pytest

from pare.errors import DataError
from pare.tasks.pdebench.darcy import Steady
from pare.tasks.pdebench.hdf5 import Grouped, Stacked, fits

TIMES = (0.0, 0.5)
LINE = np.random.default_rng(0).standard_normal((5, 2, 2, 8)).astype(np.float32)
PLANE = np.random.default_rng(1).standard_normal((5, 2, 2, 8, 8)).astype(np.float32)


def _quiet(done, total):
    pass


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.h5"


@pytest.mark.parametrize("layout", [Stacked(("a", "b")), Grouped(2)])
@pytest.mark.parametrize("frames", [LINE, PLANE], ids=["line", "plane"])
def test_what_is_written_is_read_at_any_coarser_grid(layout, frames, path):
    layout.write(path, TIMES, frames, (0.0, 1.0))
    np.testing.assert_array_equal(layout.read(path, TIMES, frames.shape[3:], _quiet), frames)
    coarse = tuple(side // 4 for side in frames.shape[3:])
    expected = frames[..., ::4] if frames is LINE else frames[..., ::4, ::4]
    np.testing.assert_array_equal(layout.read(path, TIMES[1:], coarse, _quiet), expected[:, 1:])


def test_official_stacked_file_has_many_frames_and_one_time_more(path):
    frames = np.arange(6 * 101 * 4).reshape(6, 101, 4).astype(np.float32)
    with h5py.File(path, "w") as file:
        file["tensor"] = frames
        file["t-coordinate"] = np.arange(102, dtype=np.float32) / 100
        file["x-coordinate"] = np.zeros(4)
    read = Stacked().read(path, (0.0, 0.29), (4,), _quiet)
    np.testing.assert_array_equal(read[:, :, 0], frames[:, [0, 29]])


def test_official_groups_are_packed_and_in_order(path):
    with h5py.File(path, "w") as file:
        for number in (3, 0, 2, 1):
            data = np.full((101, 4, 1), number, np.float32)
            file.create_dataset(f"{number:04d}/data", data=data, compression="lzf")
            file[f"{number:04d}/grid/t"] = np.linspace(0, 500, 101, dtype=np.float32)
            file[number := f"{number:04d}"].attrs["config"] = "sim: {}"
    np.testing.assert_array_equal(Grouped().read(path, (500.0,), (4,), _quiet)[:, 0, 0, 0], [0, 1, 2, 3])


def test_reading_reports_its_progress(path):
    Grouped(2).write(path, TIMES, LINE, (0.0, 1.0))
    seen: list[tuple[int, int]] = []
    Grouped(2).read(path, TIMES, (8,), lambda *report: seen.append(report))
    assert seen == [(done, 5) for done in range(1, 6)]


def _stacked(**changes):
    """A writer of a stacked file whose data sets are changed; None leaves one out."""

    def write(path):
        data = {"a": LINE[:, :, 0], "b": LINE[:, :, 1], "t-coordinate": np.array(TIMES)}
        with h5py.File(path, "w") as file:
            for name, array in {**data, **{key.replace("_", "-"): value for key, value in changes.items()}}.items():
                if array is not None:
                    file[name] = array

    return write


def _grouped(**changes):
    """A writer of a grouped file of which the second sample is changed."""

    def write(path):
        with h5py.File(path, "w") as file:
            for number in range(4):
                data = {"data": LINE[0].swapaxes(1, 2), "grid/t": np.array(TIMES)}
                if number == 1:
                    data |= {key.replace("_", "/"): value for key, value in changes.items()}
                group = file.create_group(f"{number:04d}")
                for name, array in data.items():
                    if array is not None:
                        group[name] = array

    return write


def _steady(**changes):
    def write(path):
        with h5py.File(path, "w") as file:
            for name, array in ({"nu": PLANE[:, 0, 0], "tensor": PLANE[:, 1, :1]} | changes).items():
                if array is not None:
                    file[name] = array

    return write


STACKED, GROUPED = Stacked(("a", "b")), Grouped(2)


@pytest.mark.parametrize(
    ("layout", "write", "expected"),
    [
        (STACKED, lambda _: None, "no such file"),
        (STACKED, lambda path: path.write_bytes(b""), "not a whole HDF5 file"),
        (GROUPED, lambda path: path.write_bytes(b"x,y\n" * 500), "not a whole HDF5 file"),
        (STACKED, _stacked(b=None), "no data set 'b'"),
        (STACKED, _stacked(t_coordinate=None), "no data set 't-coordinate'"),
        (STACKED, _stacked(a=np.array([b"text"] * 5)), "no data set 'a' of real numbers"),
        (STACKED, _stacked(a=LINE[:, :, 0, :7], b=LINE[:, :, 0, :7]), "a has shape (5, 2, 7), expected (n, T, 8)"),
        (STACKED, _stacked(a=LINE), "a has shape (5, 2, 2, 8)"),
        (STACKED, _stacked(a=LINE[:0, :, 0]), "n ≥ 4"),
        (STACKED, _stacked(a=LINE[:3, :, 0]), "n ≥ 4"),
        (STACKED, _stacked(b=LINE[:4, :, 0]), "b has shape (4, 2, 8), unlike a"),
        (STACKED, _stacked(t_coordinate=np.array([0.0, 0.4])), "no frame at t = 0.5: its times run from 0 to 0.4"),
        (STACKED, _stacked(t_coordinate=np.array([])), "times of shape (0,)"),
        (STACKED, _stacked(b=LINE[:, :, 0] * np.nan), "not finite"),
        (GROUPED, _grouped(data=None), "no data set '0001/data'"),
        (GROUPED, _grouped(grid_t=None), "no data set '0001/grid/t'"),
        (GROUPED, _grouped(data=LINE[0, :, :1].swapaxes(1, 2)), "0001/data has shape (2, 8, 1), expected (T, 8, 2)"),
        (GROUPED, _grouped(data=LINE[0].swapaxes(1, 2)[:, :6]), "0001/data has shape (2, 6)"),
        (GROUPED, _grouped(data=LINE[0].swapaxes(1, 2)[:0]), "0001/data has shape (0, 8)"),
        (GROUPED, _grouped(data=LINE[0].swapaxes(1, 2) * np.inf), "not finite"),
        (GROUPED, lambda path: h5py.File(path, "w").close(), "holds 0 samples, expected 4 or more"),
        (Steady(), _steady(nu=None), "no data set 'nu'"),
        (Steady(), _steady(tensor=PLANE[:, 1]), "tensor has shape (5, 2, 8, 8), expected (n, 1, H, W)"),
        (Steady(), _steady(tensor=PLANE[:4, 1, :1]), "5 samples in nu, 4 in tensor"),
        (Steady(), _steady(nu=PLANE[:, 0, 0, :7]), "nu has shape"),
        (Steady(), _steady(nu=PLANE[0, 0, 0, 0]), "nu has shape"),
    ],
)
def test_a_wrong_file_is_told_in_a_line(layout, write, expected, path):
    write(path)
    with pytest.raises(DataError) as error:
        layout.read(path, TIMES, (8, 8) if isinstance(layout, Steady) else (8,), _quiet)
    assert str(path) in str(error.value)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("fine", "spatial_shape", "answer"),
    [((8,), (4,), True), ((4,), (4,), True), ((6,), (4,), False), ((2,), (4,), False), ((8, 4), (4, 4), False)],
)
def test_finer_grids_are_whole_multiples(fine, spatial_shape, answer):
    assert fits(fine, spatial_shape) == answer


def test_no_points_are_no_grid():
    assert not fits((0,), (4,))
