"""Heart rhythm from 3⅓ s of a single-lead electrocardiogram: PhysioNet/CinC Challenge 2017, four classes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

from pare.data import checks
from pare.data.official.pickles import dump_arrays, load_arrays
from pare.data.task import SPLITS, Metric, ProgressCallback, Published, Raw, Recipe, Split, Task
from pare.errors import DataError
from pare.losses import cross_entropy
from pare.tasks.nas360.ecg import simulator

WINDOW = 1000
STRIDES = (500, 83, 250, 25)
"""Samples between windows, by class: the rarer the class, the denser its windows."""

_RECORDS = (5076, 758, 2415, 279)
"""Records of each class in the challenge's public part, 8,528 in all."""

_LEAST = 10
"""Records that can be split eight to one to one."""

_NB360 = "NAS-Bench-360, published table of results"
_RECALLED = "arXiv 2406.09003, NAS-Bench-360 table, not checked against the paper"


def one_minus_macro_f1(predictions: np.ndarray, targets: np.ndarray) -> float:
    """1 minus the unweighted mean F1 over classes; logits (n, 4) and classes (n,)."""
    return 1.0 - float(f1_score(targets, predictions.argmax(axis=1), average="macro"))


class Ecg(Task):
    """ECG of NAS-Bench-360 (Clifford et al. 2017, Computing in Cardiology 44): a window in, the record's rhythm out."""

    name = "ecg"
    title = "ECG rhythm"
    kind = "classification"
    version = 1
    shape = (1, WINDOW)
    output_shape = (4,)
    labels = ("normal", "atrial fibrillation", "other rhythm", "noisy")
    metric = Metric("1 - macro-F1", "minimize", one_minus_macro_f1)
    criterion = staticmethod(cross_entropy)
    files = ("challenge2017.pkl",)
    homepage = "NAS-Bench-360 (https://nb360.ml.cmu.edu), data set ECG"
    synthetic = "simulated"
    published = (
        Published("WRN", 0.43, _NB360, verified=True),
        Published("DenseNAS random", 0.42, _NB360, verified=True),
        Published("DenseNAS", 0.40, _NB360, verified=True),
        Published("Perceiver IO", 0.66, _NB360, verified=True),
        Published("XGBoost", 0.56, _NB360, verified=True),
        Published("WRN + ASHA", 0.43, _NB360, verified=True),
        Published("DARTS GAEA", 0.34, _NB360, verified=True),
        Published("AMBER", 0.33, _NB360, verified=True),
        Published("hand-designed", 0.28, _RECALLED, verified=False),
        Published("DASH", 0.32, _RECALLED, verified=False),
        Published("FPT", 0.50, _RECALLED, verified=False),
        Published("NFT", 0.44, _RECALLED, verified=False),
        Published("ORCA", 0.28, _RECALLED, verified=False),
        Published("PaRe", 0.28, _RECALLED, verified=False),
        Published("MoNA", 0.27, _RECALLED, verified=False),
    )
    paper: ClassVar[Mapping[str, Any]] = {
        "epochs": 15,
        "body": "FacebookAI/roberta-base",
        "source": "conll2000",  # the released features are of it, though the paper says CoNLL-2003
        "patch": 20,
        "mix_weight": 0.1,
        "curriculum.family": "linear",
        "curriculum.start": 0.64,  # 32 of 50 patches
        "curriculum.end": 0.0,
        "gate.noise_until": 5 / 15,
        "optimizer.name": "adamw",
        "optimizer.batch": 64,
        "optimizer.lr.embedder": 3e-5,
        "optimizer.lr.body": 3e-5,
        "optimizer.lr.gate": 3e-5,
        "optimizer.lr.heads": 3e-5,
        "optimizer.weight_decay": 0.1,
        "optimizer.warmup": 5 / 15,
        "optimizer.decay_until": 200 / 15,
    }
    laptop: ClassVar[Mapping[str, Any]] = {
        "epochs": 6,
        "body": "roberta-mini",
        "source": "signals",
        "patch": 40,
        "optimizer.lr.embedder": 1e-3,
        "optimizer.lr.body": 1e-3,
        "optimizer.lr.gate": 1e-3,
        "optimizer.lr.heads": 1e-3,
        "optimizer.weight_decay": 0.01,
        "optimizer.warmup": 0.1,
        "optimizer.decay_until": 1.0,
    }
    # Half as long as the measured records (30 s, most of them), so that as many windows come from twice the records:
    # with the challenge's shares of classes, the rarest has 15. The seed spreads them over all three splits.
    recipes: ClassVar[Mapping[str, Recipe]] = {"laptop": {"records": 460, "seconds": 14.0, "seed": 18}}

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Simulate records in the challenge's shares of classes, in µV, `seconds` being their usual length."""
        count, seconds, seed = int(recipe["records"]), float(recipe["seconds"]), int(recipe["seed"])
        shares = np.cumsum(_RECORDS) / sum(_RECORDS)
        classes = np.searchsorted(shares, (np.arange(count) + 0.5) / count)
        classes = np.random.default_rng(seed).permutation(classes)
        records = np.empty(count, dtype=object)
        for index, number in enumerate(classes):
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
            # 9 to 61 s, as measured: most of the usual length, some cut short, some twice as long.
            factor = rng.choice([1.0, rng.uniform(0.5, 1.0), rng.uniform(1.0, 2.0)], p=[0.7, 0.2, 0.1])
            samples = int(np.clip(seconds * factor, 9, 61) * simulator.RATE)
            trace = simulator.simulate(simulator.SYMBOLS[number], samples, rng)
            records[index] = np.clip(np.rint(trace * 1000), -32768, 32767).astype(np.int16)
            progress(index + 1, count)
        dump_arrays(folder / self.files[0], {"data": records, "label": np.array(simulator.SYMBOLS)[classes]})

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read the records, split them 8 : 1 : 1, scale each by its own mean and deviation, and cut windows."""
        path = folder / self.files[0]
        records, classes = _records(path)
        # The published split and its seed: first the fifth held out, then its halves.
        train, held_out = train_test_split(np.arange(len(records)), test_size=0.2, random_state=0)
        val, test = train_test_split(held_out, test_size=0.5, random_state=0)
        splits: dict[str, Split] = {}
        for name, chosen in zip(SPLITS, (train, val, test), strict=True):
            splits[name] = _windows(records, classes, chosen)
            if len(splits[name]) == 0:
                raise DataError(f"{path}: no record for {name} is longer than a window, expected over {WINDOW} samples")
            progress(len(splits), len(SPLITS))
        return Raw(**splits, statistics={})

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Windows (n, 1000) or (n, 1, 1000) at 300 Hz, each scaled to mean 0 and deviation 1: (n, 1, 1000) float32.

        Training windows are scaled with their whole record, which a single window's user may not have.
        """
        raw = checks.batch(raw, ((WINDOW,), self.shape), f"windows (n, {WINDOW}) or (n, 1, {WINDOW}) at 300 Hz")
        return checks.standardised(raw).reshape(-1, *self.shape)


TASK = Ecg()


def _windows(records: list[np.ndarray], classes: np.ndarray, chosen: np.ndarray) -> Split:
    windows, groups = [np.empty((0, WINDOW), dtype=np.float32)], [np.empty(0, dtype=np.int64)]
    for index in chosen:
        signal = checks.standardised(records[index])
        starts = np.arange(0, len(signal) - WINDOW, STRIDES[classes[index]])
        windows.append(signal[starts[:, None] + np.arange(WINDOW)])
        groups.append(np.full(len(starts), index))
    group = np.concatenate(groups)
    return Split(np.concatenate(windows)[:, None], classes[group], group)


def _records(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """The records (samples,) and their classes (n,) int64, checked."""
    content = load_arrays(path)
    if not isinstance(content, dict) or not {"data", "label"} <= content.keys():
        raise DataError(f"{path} should hold a dict with 'data' and 'label'")
    try:
        records, labels = [np.asarray(record) for record in content["data"]], [str(s) for s in content["label"]]
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: 'data' and 'label' should be sequences of records and of symbols") from error
    if len(records) != len(labels) or len(records) < _LEAST:
        raise DataError(f"{path}: {len(records)} records with {len(labels)} labels, expected as many, {_LEAST} or more")
    for index, (record, label) in enumerate(zip(records, labels, strict=True)):
        if record.ndim != 1 or not checks.is_sound(record):
            raise DataError(f"{path}: record {index} should be one row of finite numbers, not {record.shape}")
        if label not in simulator.SYMBOLS:
            raise DataError(f"{path}: record {index} is labelled {label!r}, expected one of N, A, O, ~")
    return records, np.array([simulator.SYMBOLS.index(label) for label in labels])
