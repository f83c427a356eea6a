"""The formats that are fuzzed: small valid files of each, and the product's reader."""

import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from transformers import BertConfig, BertModel, RobertaConfig, RobertaForMaskedLM, SwinConfig, SwinModel

from pare import tasks
from pare.data import store
from pare.data.official import archives, pickles
from pare.data.task import Split, Task
from pare.errors import DataError
from pare.method import body
from pare.tasks.nas360.cifar100 import task as cifar100
from pare.tasks.nas360.darcy import task as darcy
from pare.tasks.openml import readers as openml
from pare.tasks.own.importer import bring
from pare.tasks.pdebench import hdf5
from pare.tasks.ucr import files as ucr
from pare.tasks.ucr.sets import named
from tests.tasks.ucr import layout as archive_layout


@dataclass(frozen=True)
class Format:
    """`write` leaves valid variants below a folder, each of them a folder; `read` reads one, or refuses it."""

    write: Callable[[Path], None]
    read: Callable[[Path], None]


def _arrays() -> dict[str, Any]:
    x = np.random.default_rng(0).normal(size=(40, 12))
    return {"x": x, "y": np.arange(40) % 3, "group": np.arange(40) // 2}


def _frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=40).astype(str)
    columns = {"age": np.arange(40) * 1.5, "day": days, "kind": rng.choice(["a", "b", "ü"], 40), "n": np.arange(40)}
    return pd.DataFrame(columns | {"label": ["sick", "well"] * 20})


def _npz(folder: Path) -> None:
    for name, save in (("stored", np.savez), ("packed", np.savez_compressed)):
        (folder / name).mkdir()
        save(folder / name / "data.npz", **_arrays())


def _npy(folder: Path) -> None:
    for name, version in (("one", (1, 0)), ("two", (2, 0))):
        (folder / name).mkdir()
        for array, values in _arrays().items():
            with (folder / name / f"{array}.npy").open("wb") as file:
                np.lib.format.write_array(file, values, version=version)


def _csv(folder: Path) -> None:
    german: Any = {"sep": ";", "decimal": ",", "encoding": "cp1252"}
    excel: Any = {"sep": "\t", "encoding": "utf-16"}
    for name, options in (("plain", {}), ("german", german), ("excel", excel)):
        (folder / name).mkdir()
        _frame().to_csv(folder / name / "data.csv", index=False, **options)


def _parquet(folder: Path) -> None:
    kinds: dict[str, Any] = {"plain": None, "snappy": "snappy", "zstd": "zstd"}
    for name, compression in kinds.items():
        (folder / name).mkdir()
        _frame().astype({"kind": "category"}).to_parquet(folder / name / "data.parquet", compression=compression)
    (folder / "feather").mkdir()
    _frame().to_feather(folder / "feather" / "data.arrow")


def _images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for suffix in ("png", "jpg", "tif", "bmp", "gif", "webp", "ppm"):
        for label in ("cat", "dog"):
            (folder / suffix / label).mkdir(parents=True)
            for number in range(4):
                pixels = rng.integers(0, 256, (12, 10, 3), np.uint8)
                Image.fromarray(pixels).save(folder / suffix / label / f"{number}.{suffix}")


def _arff(folder: Path) -> None:
    rows = "\n".join(f"'<{n % 3}',{n},{n / 7:.3f},{'good' if n % 2 else 'bad'}" for n in range(40))
    header = "% a comment\n@RELATION r\n@ATTRIBUTE 'checking status' {'<0','<1','<2'}\n@ATTRIBUTE duration REAL\n"
    (folder / "one").mkdir()
    text = f"{header}@ATTRIBUTE age NUMERIC\n@ATTRIBUTE class {{good,bad}}\n@DATA\n{rows}\n'<0',?,1,good\n"
    (folder / "one" / "data.arff").write_text(text)


_FRAMES = np.random.default_rng(0).normal(size=(5, 3, 1, 16)).astype(np.float32)
_TIMES = (0.0, 0.5, 1.0)
_LAYOUTS: dict[str, Any] = {"stacked": hdf5.Stacked(), "grouped": hdf5.Grouped()}


def _hdf5(folder: Path) -> None:
    for name, layout in _LAYOUTS.items():
        (folder / name).mkdir()
        layout.write(folder / name / "data.hdf5", _TIMES, _FRAMES, (0.0, 1.0))
    (folder / "matlab").mkdir()
    darcy.TASK.write_synthetic(folder / "matlab", {"train": 4, "test": 4, "resolution": 85, "seed": 0}, _quiet)


def _read_hdf5(folder: Path) -> None:
    if folder.name == "matlab":
        _all_finite(_train(darcy.TASK, folder))
    else:
        _all_finite(_LAYOUTS[folder.name].read(folder / "data.hdf5", _TIMES, (16,), _quiet))


def _tar(folder: Path) -> None:
    (folder / "plain").mkdir()
    np.save(folder / "a.npy", np.arange(400.0))
    with tarfile.open(folder / "plain" / "data.tar", "w") as archive:
        for number in range(4):
            archive.add(folder / "a.npy", f"top/chunks/{number}.npy")
    (folder / "a.npy").unlink()
    (folder / "gzip").mkdir()
    cifar100.TASK.write_synthetic(folder / "gzip", {"train": 250, "test": 100, "seed": 0}, _quiet)


def _read_tar(folder: Path) -> None:
    if folder.name == "gzip":
        _all_finite(_train(cifar100.TASK, folder))
        return
    archive = archives.Archive(folder, "data.tar", "chunks/")
    for name in archive.names:
        archive.read(name)


def _bodies(folder: Path) -> None:
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    swin = SwinConfig(image_size=16, patch_size=2, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4)
    RobertaForMaskedLM(RobertaConfig(vocab_size=11, max_position_embeddings=66, **sizes)).save_pretrained(folder / "r")
    BertModel(BertConfig(vocab_size=11, max_position_embeddings=64, **sizes)).save_pretrained(folder / "b")
    SwinModel(swin).save_pretrained(folder / "s")


def _read_body(folder: Path) -> None:
    loaded = body.load(str(folder))
    _all_finite(*(parameter.detach().numpy() for parameter in loaded.parameters()))


def _series(folder: Path) -> None:
    for form in (".tsv", ".ts"):
        archive_layout.write(folder / form[1:] / "ECG200", form=form)
    (folder / "zip").mkdir()
    with zipfile.ZipFile(folder / "zip" / "ECG200.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (folder / "ts" / "ECG200").iterdir():
            archive.write(path, path.name)


def _read_series(folder: Path) -> None:
    """Lay the files and prepare them, as a sweep over the UCR archive does; `folder` is a data root."""
    of = named("ECG200")
    shutil.rmtree(folder / of.name, ignore_errors=True)
    if not ucr.bring(folder, of):
        raise DataError("a name in the zip is another")
    data = store.prepare(tasks.get(of.name), folder, "laptop", _quiet)
    _all_finite(*(data.split(split).x for split in ("train", "val", "test")))


def _pickles(folder: Path) -> None:
    for name, value in (("dict", _arrays()), ("list", [*_arrays().values(), "text", 3.5])):
        (folder / name).mkdir()
        pickles.dump_arrays(folder / name / "data.pkl", value)


def _own(name: str) -> Callable[[Path], None]:
    """Import, prepare and predict, as a sweep over one's own data does before its first trial."""

    def read(folder: Path) -> None:
        root = folder.parent / "root"
        tasks.adopt(())
        task = bring(root, "own", folder / name if name else folder)
        data = store.prepare(task, root, "laptop", _quiet)
        splits = [data.split(split) for split in ("train", "val", "test")]
        assert all(len(split) for split in splits)
        _all_finite(*(split.x for split in splits), *data.statistics.values())
        assert all(split.x.shape[1:] == task.shape for split in splits)
        assert task.summary

    return read


def _train(task: Task, folder: Path) -> np.ndarray:
    train = task.read(folder, _quiet).train
    assert isinstance(train, Split)
    return train.x


def _quiet(done: int, total: int) -> None:
    pass


def _all_finite(*arrays: np.ndarray) -> None:
    assert all(np.isfinite(array).all() for array in arrays)


FORMATS: Mapping[str, Format] = {
    "npz": Format(_npz, _own("data.npz")),
    "npy": Format(_npy, _own("")),
    "csv": Format(_csv, _own("data.csv")),
    "parquet": Format(_parquet, lambda folder: _own(next(folder.iterdir()).name)(folder)),
    "images": Format(_images, _own("")),
    "arff": Format(_arff, lambda folder: _all_of(openml.read(folder / "data.arff"))),
    "hdf5": Format(_hdf5, _read_hdf5),
    "tar": Format(_tar, _read_tar),
    "series": Format(_series, _read_series),
    "body": Format(_bodies, _read_body),
    "pickle": Format(_pickles, lambda folder: pickles.load_arrays(folder / "data.pkl")),
}


def _all_of(frame: pd.DataFrame) -> None:
    assert len(frame)
    assert frame.shape[1] > 1
