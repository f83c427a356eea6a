"""Official files that lie where nothing reads them are named, with a command that works; nothing else is."""

import gzip
import re
import shutil
import subprocess
import tarfile
import zipfile

import pytest

from pare.data import store
from pare.data.official import lookalikes
from pare.errors import DataError
from tests.tasks.toys import Toy

TASK, FILES = "pde-darcy", ("2D_DarcyFlow_beta0.1_Train.hdf5",)
NAME = FILES[0]


def _find(root, files=FILES, task=TASK):
    return lookalikes.find(root, task, files)


def _write(path, content=b"data"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "place",
    [
        "pde-darcy/raw/2D_DarcyFlow_beta0.1_Train.h5",
        "pde-darcy/raw/2d_darcyflow_beta0.1_train.hdf5",
        "pde-darcy/raw/2D_DarcyFlow_beta0.1_Train (1).hdf5",
        "pde-darcy/raw/2D/DarcyFlow/2D_DarcyFlow_beta0.1_Train.hdf5",
        "pde-darcy/2D_DarcyFlow_beta0.1_Train.hdf5",
        "pde-darcy/Raw/2D_DarcyFlow_beta0.1_Train.hdf5",
        "2D_DarcyFlow_beta0.1_Train.hdf5",
        "PDE_Darcy/raw/2D_DarcyFlow_beta0.1_Train.hdf5",
        "pde-other/raw/2D_DarcyFlow_beta0.1_Train.hdf5",
        "my files/raw/2D_DarcyFlow_beta0.1_Train.hdf5",
        "pde-darcy/raw/2D_DarcyFlow_beta0.1_Train.hdf5.gz",
    ],
)
def test_the_command_that_is_named_takes_the_file(tmp_path, place):
    _write(tmp_path / place, gzip.compress(b"data") if place.endswith(".gz") else b"data")
    found = _find(tmp_path)
    assert str(tmp_path / place) in found
    command = re.search(r"`(.+)`", found)[1]
    subprocess.run(command, shell=True, check=True)
    assert (tmp_path / TASK / "raw" / NAME).read_bytes() == b"data"


@pytest.mark.parametrize(
    ("files", "unpacked", "there"),
    [(("audio.zip",), "audio", "audio"), (("cifar-100-python.tar.gz",), "cifar-100-python", "cifar-100-python.tar.gz")],
)
def test_unpacked_archives_are_found(tmp_path, files, unpacked, there):
    _write(tmp_path / "sound" / unpacked / "a.wav")
    command = re.search(r"`(.+)`", _find(tmp_path, files, "sound"))[1]
    subprocess.run(command, shell=True, check=True)
    assert (tmp_path / "sound" / "raw" / there).exists()


def test_bundles_that_hold_the_file_are_found(tmp_path):
    (tmp_path / TASK).mkdir()
    with zipfile.ZipFile(tmp_path / TASK / "all.zip", "w") as archive:
        archive.writestr(f"deep/{NAME}", "data")
    assert "--from" in _find(tmp_path)
    (tmp_path / TASK / "all.zip").unlink()
    _write(tmp_path / "x" / NAME)
    with tarfile.open(tmp_path / f"{NAME}.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "x" / NAME, NAME)
    shutil.rmtree(tmp_path / "x")
    assert "pare.tasks.prepare pde-darcy --from" in _find(tmp_path)


@pytest.mark.parametrize("name", [f".{NAME}.0123456789ab.part", f"{NAME}.crdownload", f"{NAME}.part"])
def test_downloads_that_broke_off_are_found(tmp_path, name):
    _write(tmp_path / TASK / "raw" / name)
    assert "came in part only" in _find(tmp_path)


def test_what_lies_in_the_folder_of_official_files_is_never_passed_over(tmp_path):
    _write(tmp_path / TASK / "raw" / "2D_DarcyFlow_beta1.0_Train.hdf5")
    assert "is none of the official files" in _find(tmp_path)


@pytest.mark.parametrize(
    "place",
    [
        f"{TASK}/prepared-0123/{NAME}",
        f"{TASK}/generated-0123/{NAME}",
        f"{TASK}/raw/.lock",
        "pde-other/raw/2D_DarcyFlow_beta1.0_Train.hdf5",
        "text/raw/tokenizer.json",
        "conll2000/raw/train.txt",
    ],
)
def test_other_files_are_left_alone(tmp_path, place):
    _write(tmp_path / place)
    assert _find(tmp_path, (*FILES, "tokenizer.json", "train.txt")) is None


def test_data_is_not_made_in_their_place(tmp_path):
    name = Toy.files[0]
    _write(tmp_path / "toy" / name)
    with pytest.raises(DataError, match=r"toy: .* looks like") as error:
        store.prepare(Toy(), tmp_path, "laptop", lambda *_: None)
    assert "\n" not in str(error.value)
    assert [path.name for path in (tmp_path / "toy").iterdir()] == [name]
