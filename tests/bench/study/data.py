"""The data of a study: made ready below a root, and limited to what a seed trains on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.signal import spectrogram
from sklearn.datasets import load_digits

from pare import tasks
from pare.data import store
from pare.data.task import Task
from pare.sources.text.base import Tokens
from pare.tasks.own import importer
from pare.tasks.ucr import files as ucr_files
from pare.tasks.ucr import readers, sets
from tests.bench.study.samples import StudyData, fresh_windows, with_budget
from tests.bench.study.settings import budget, setting

_OWN = ("digits", "crop", "electricdevices", "fordb", "elpv", "eog-images")
"""Tasks that are made of a file, as data of the user's own."""

_METRIC = {"elpv": "balanced-error"}


def limited(name: str, root: Path, prepared: store.Prepared, seed: int) -> StudyData:
    """What a seed trains, and is judged, on."""
    task, labels = budget(name)
    if not labels:
        return setting(name).limit(root, prepared, seed)
    data = with_budget(prepared, labels, seed, setting(name).dense)
    return StudyData({**data.splits, "test": fresh_windows(root)}, data.statistics) if task == "ecg" else data


def task_of(name: str) -> Task:
    """The task of a setting, with the recipe that the study generates it by."""
    task, recipe = tasks.get(setting(name).task), setting(name).recipe
    if recipe:
        type(task).recipes = {**task.recipes, "laptop": recipe}
    return task


def source_of(name: str, bodies: Path | None) -> Task:
    """The source of a setting; one of text is cut into the tokens of the body."""
    source = tasks.get(setting(name).source)
    return source.for_body(body_of(name, bodies)) if isinstance(source, Tokens) else source


def body_of(name: str, bodies: Path | None) -> str:
    """The name of a body of the package, or the folder of a real one."""
    body = str(setting(name).settings["body"])
    if not setting(name).real_body:
        return body
    if bodies is None or not (bodies / body).is_dir():
        raise SystemExit(f"{name} needs --bodies DIR with {body}/, in Hugging Face's format")
    return str(bodies / body)


def bring(name: str, root: Path, files: Path | None) -> None:
    """Lay the files of a task of the study below `root`, and register it if it is made of a file of the user's own."""
    task = setting(name).task
    if task in _OWN:
        path = _npz(task, root, files)
        importer.bring(
            root,
            task,
            path,
            kind="classification",
            metric=_METRIC.get(task),
            layout="image" if task == "eog-images" else None,
        )
    elif task.startswith(sets.PREFIX):
        _bring_series(sets.named(task), root, files)
    elif task == "ecg":
        _simulate_ecg(root)


def prepare(name: str, root: Path, bodies: Path | None = None) -> None:
    """Make a task of the study, which was brought, and its source ready below `root`."""
    for one in (task_of(name), source_of(name, bodies)):
        store.prepare(one, root, "laptop", lambda *_: None)
    if setting(name).task == "ecg":
        store.prepare(task_of(name), root / "fresh", "laptop", lambda *_: None)


def _bring_series(of: sets.SeriesSet, root: Path, files: Path | None) -> None:
    """Lay a set's files below `root`, which are in `files`/ucr/<Name>/ as the archive has them."""
    if files is not None and (files / "ucr").is_dir() and not (root / "ucr").exists():
        (root / "ucr").symlink_to((files / "ucr").resolve())
    if not ucr_files.bring(root, of):
        raise SystemExit(f"{of.name} needs --files DIR with ucr/{of.title}/{of.files[0]}, as the UCR archive has it")


def _simulate_ecg(root: Path) -> None:
    """Fresh records, of which all three splits are scored."""
    raw = root / "fresh" / "ecg" / "raw"
    task = tasks.get("ecg")
    if not (raw / task.files[0]).exists():
        raw.mkdir(parents=True, exist_ok=True)
        task.write_synthetic(raw, {**task.recipes["laptop"], "seed": 2026, "records": 260}, lambda *_: None)


def _npz(name: str, root: Path, files: Path | None) -> Path:
    """A file for the own-data task, with its splits."""
    path = root / f"{name}.npz"
    if name == "digits":
        x, y = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(x))
        split = np.full(len(x), "test", dtype="<U5")
        split[order[:600]], split[order[600:800]] = "train", "val"
        np.savez(path, x=x.reshape(-1, 8, 8).astype(np.float32), y=y, split=split)
    elif name == "eog-images":
        np.savez(path, allow_pickle=False, **_spectrograms("ucr-eogverticalsignal", root, files))
    elif files is None or not (files / f"{name}.npz").exists():
        raise SystemExit(f"{name} needs --files DIR with {name}.npz: make it with `pack`")
    else:
        with np.load(files / f"{name}.npz") as packed:
            np.savez(path, x=packed["x"].astype(np.float32), y=packed["y"], split=packed["split"])
    return path


def _spectrograms(name: str, root: Path, files: Path | None) -> dict[str, np.ndarray]:
    """A set of the UCR archive as images, the logarithm of its power by frequency and time, in the same splits."""
    of = sets.named(name)
    _bring_series(of, root, files)
    prepared = store.prepare(tasks.get(name), root, "laptop", lambda *_: None)
    parts = {split: prepared.split(split) for split in ("train", "val", "test")}
    x = np.concatenate([part.x[:, 0, : of.length] for part in parts.values()])
    _, _, power = spectrogram(x, nperseg=96, noverlap=78, axis=-1)
    return {
        "x": np.log(power[:, :48] + 1e-4).astype(np.float32),
        "y": np.concatenate([part.y for part in parts.values()]),
        "split": np.concatenate([np.full(len(part), split, dtype="<U5") for split, part in parts.items()]),
    }


def pack(archive: Path, name: str, out: Path) -> None:
    """A set of the UCR archive (<Name>_TRAIN.tsv, <Name>_TEST.tsv), or ELPV, as a small .npz with splits.

    Of series, 4,000 are for the test. Those that are there twice, as numbers of half precision, are kept once, so that
    no split knows another's.
    """
    if name == "elpv":
        np.savez_compressed(out, allow_pickle=False, **_solar_cells(archive / name))
        return
    of = sets.named(f"{sets.PREFIX}{name.lower()}")
    parts = readers.read(archive / name, of)
    rows, labels = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    _, first = np.unique(rows.astype(np.float16), axis=0, return_index=True)
    rng = np.random.default_rng(0)
    train, test = (rng.permutation(first[part]) for part in (first < of.train, first >= of.train))
    chosen = np.concatenate([train, test[:4000]])
    split = np.array(["train"] * len(train) + ["test"] * min(len(test), 4000))
    split[:480] = "val"
    np.savez_compressed(out, x=rows[chosen].astype(np.float16), y=labels[chosen], split=split)


def _solar_cells(folder: Path) -> dict[str, np.ndarray]:
    """ELPV's photographs of solar cells, 64 pixels a side; defective are those whose stated probability is above ½."""
    from PIL import Image

    rows = [line.split() for line in (folder / "labels.csv").read_text(encoding="utf-8").splitlines() if line]
    images = [Image.open(folder / row[0]).convert("L").resize((64, 64), Image.Resampling.BICUBIC) for row in rows]
    split = np.full(len(rows), "test", dtype="<U5")
    order = np.random.default_rng(0).permutation(len(rows))
    split[order[:1400]], split[order[1400:1800]] = "train", "val"
    y = np.array([float(row[1]) > 0.5 for row in rows], dtype=np.int64)
    return {"x": np.stack([np.asarray(image) for image in images]), "y": y, "split": split}
