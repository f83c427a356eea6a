"""The script refuses a request that it cannot meet in one line, before Ray starts."""

import pytest
import ray

from pare import tasks
from tests.sweeps.script import SMALL, sweep, told


@pytest.fixture(autouse=True)
def _no_ray():
    yield
    assert not ray.is_initialized()


def test_a_cap_in_dollars_needs_prices(root, tmp_path, capsys):
    assert sweep("--tasks", "ecg", *SMALL, "--max-usd", "5", "--out", tmp_path, "--data-root", root) == 2
    assert "--max-usd is 5: nobody knows the price of" in told(capsys)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--tasks", "mnist"], "'mnist': choose from cifar100,"),
        (["--preset", "huge"], '"huge"'),
        (["--trials", "x"], '"x"'),
        (["--out", "/dev/null/runs"], "'/dev/null/runs': Not a directory; give a directory that can be written"),
    ],
)
def test_a_wrong_request_ends_before_ray_starts(arguments, named, capsys, tmp_path):
    assert (
        sweep("--data-root", tmp_path, *(arguments if "--out" in arguments else [*arguments, "--out", tmp_path])) == 2
    )
    assert named in told(capsys)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--workers-per-trial", "4096"], "--workers-per-trial is 4096"),
        (["--gpus-per-trial", "64"], "--gpus-per-trial is 64"),
        (["--max-concurrent", "4096"], "--max-concurrent is 4096"),
    ],
)
def test_more_than_the_cluster_has_is_refused(arguments, named, capsys, root, tmp_path):
    assert sweep("--tasks", "ecg", *SMALL, *arguments, "--out", tmp_path, "--data-root", root) == 2
    assert named in told(capsys)
    assert not (tmp_path / "ecg").exists()


def missing(raw):
    (raw / tasks.get("darcy").files[1]).unlink()


def truncated(raw):
    path = raw / tasks.get("darcy").files[0]
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("damage", [missing, truncated])
def test_bad_data_files_are_named(damage, capsys, root, tmp_path):
    raw = tmp_path / "data" / "darcy" / "raw"
    raw.mkdir(parents=True)
    for name in tasks.get("darcy").files:
        (raw / name).write_bytes((root / "darcy" / "raw" / name).read_bytes())
    damage(raw)
    assert sweep("--tasks", "darcy", *SMALL, "--out", tmp_path / "out", "--data-root", tmp_path / "data") == 2
    assert "piececonst_r421_N1024_smooth" in told(capsys)
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_a_pickle_with_more_than_arrays_is_refused_and_not_run(capsys, tmp_path):
    raw = tmp_path / "data" / "ecg" / "raw"
    raw.mkdir(parents=True)
    trap = tmp_path / "sprung"
    # As a malicious file would: os.system("touch …") when unpickled.
    (raw / "challenge2017.pkl").write_bytes(b"cposix\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR.")
    assert sweep("--tasks", "ecg", *SMALL, "--out", tmp_path / "out", "--data-root", tmp_path / "data") == 2
    line = told(capsys)
    assert "challenge2017.pkl" in line
    assert "posix.system" in line
    assert not trap.exists()


def test_a_source_that_does_not_fit_the_body_is_refused(capsys, root, tmp_path):
    assert sweep("--tasks", "ecg", *SMALL, "--source", "fractals", "--out", tmp_path, "--data-root", root) == 2
    assert "source is 'fractals'" in told(capsys)
    assert not (tmp_path / "ecg").exists()


@pytest.mark.parametrize(
    ("body", "named"),
    [("swin-mini", "target of shape (1000,) for a body of images (swin)"), ("nobody/none", "body 'nobody/none'")],
)
def test_a_body_that_does_not_fit_or_is_not_there_is_refused(body, named, capsys, root, tmp_path):
    assert sweep("--tasks", "ecg", *SMALL, "--body", body, "--out", tmp_path, "--data-root", root) == 2
    assert named in told(capsys)
    assert not (tmp_path / "ecg").exists()


def test_no_data_for_the_paper_preset_says_what_to_put_where(capsys, tmp_path):
    asked = ("--preset", "paper", "--tasks", "ecg", "--body", "roberta-mini", "--out", tmp_path / "o")
    assert sweep(*asked, "--data-root", tmp_path / "d") == 2
    assert "challenge2017.pkl" in told(capsys)
