"""Chromatin marks from 1,000 bases of DNA: 36 of the features of DeepSEA, any number of them at once."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import roc_auc_score

from pare.data import checks
from pare.data.task import SPLITS, Metric, ProgressCallback, Published, Raw, Recipe, Task
from pare.errors import DataError
from pare.losses import binary_cross_entropy
from pare.tasks.nas360.deepsea import simulator

_LENGTH, _BASES, _MARKS = simulator.LENGTH, simulator.BASES, simulator.MARKS
_NB360 = "NAS-Bench-360, published table of results"
_RECALLED = "arXiv 2406.09003, NAS-Bench-360 table, not checked against the paper"


def one_minus_macro_auroc(predictions: np.ndarray, targets: np.ndarray) -> float:
    """1 minus the unweighted mean over classes of the area under the ROC curve; scores and targets (n, classes).

    Classes of which the targets have no positive or no negative have no curve and are left out.
    """
    told = targets.min(axis=0) < targets.max(axis=0)
    return 1.0 - float(roc_auc_score(targets[:, told], predictions[:, told], average="macro"))


class DeepSea(Task):
    """DeepSEA of NAS-Bench-360 (Zhou & Troyanskaya 2015, Nature Methods 12): one-hot bases in, marks out."""

    name = "deepsea"
    title = "DeepSEA chromatin marks"
    kind = "multilabel"
    version = 1
    shape = (_BASES, _LENGTH)
    output_shape = (_MARKS,)
    metric = Metric("1 - AUROC", "minimize", one_minus_macro_auroc)
    criterion = staticmethod(partial(binary_cross_entropy, positive_weight=4.0))
    files = ("deepsea_filtered.npz",)
    homepage = "NAS-Bench-360 (https://nb360.ml.cmu.edu), data set DeepSEA"
    synthetic = "simulated"
    published = (
        Published("WRN", 0.40, _NB360, verified=True),
        Published("DenseNAS random", 0.40, _NB360, verified=True),
        Published("DenseNAS", 0.40, _NB360, verified=True),
        Published("Perceiver IO", 0.38, _NB360, verified=True),
        Published("XGBoost", 0.50, _NB360, verified=True),
        Published("WRN + ASHA", 0.41, _NB360, verified=True),
        Published("DARTS GAEA", 0.36, _NB360, verified=True),
        Published("AMBER", 0.32, _NB360, verified=True),
        Published("hand-designed", 0.30, _RECALLED, verified=False),
        Published("DASH", 0.28, _RECALLED, verified=False),
        Published("FPT", 0.37, _RECALLED, verified=False),
        Published("NFT", 0.51, _RECALLED, verified=False),
        Published("ORCA", 0.29, _RECALLED, verified=False),
        Published("PaRe", 0.28, _RECALLED, verified=False),
        Published("MoNA", 0.28, _RECALLED, verified=False),
    )
    paper: ClassVar[Mapping[str, Any]] = {
        "epochs": 25,
        "body": "FacebookAI/roberta-base",
        "source": "conll2000",  # the released features are of it, though the paper says CoNLL-2003
        "patch": 2,
        "mix_weight": 0.1,
        "curriculum.family": "linear",
        "curriculum.start": 0.064,  # 32 of 500 patches
        "curriculum.end": 0.0,
        "gate.noise_until": 5 / 25,
        "optimizer.name": "adam",
        "optimizer.batch": 16,
        "optimizer.clip": 1.0,
        "optimizer.lr.embedder": 1e-5,
        "optimizer.lr.body": 1e-5,
        "optimizer.lr.gate": 1e-5,
        "optimizer.lr.heads": 1e-5,
        "optimizer.weight_decay": 0.0,
        "optimizer.warmup": 10 / 25,
        "optimizer.decay_until": 1.0,
    }
    laptop: ClassVar[Mapping[str, Any]] = {
        "epochs": 4,
        "body": "roberta-mini",
        "source": "signals",
        "patch": 10,
        "optimizer.name": "adamw",
        "optimizer.batch": 32,
        "optimizer.lr.embedder": 1e-3,
        "optimizer.lr.body": 1e-3,
        "optimizer.lr.gate": 1e-3,
        "optimizer.lr.heads": 1e-3,
        "optimizer.weight_decay": 0.01,
        "optimizer.warmup": 0.1,
    }
    recipes: ClassVar[Mapping[str, Recipe]] = {"laptop": {"train": 1000, "val": 200, "test": 300, "seed": 0}}

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Simulate sequences and the marks on them."""
        content: dict[str, np.ndarray] = {}
        for stream, name in enumerate(SPLITS):
            rng = np.random.default_rng((int(recipe["seed"]), stream))
            content[f"x_{name}"], content[f"y_{name}"] = simulator.simulate(int(recipe[name]), rng)
            progress(stream + 1, len(SPLITS))
        arrays: dict[str, Any] = dict(content)
        np.savez_compressed(folder / self.files[0], **arrays)

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read the three parts as they were split: 71,753, 2,490 and 149,400 sequences."""
        path = folder / self.files[0]
        parts = []
        for name in SPLITS:
            x, y = _bits(path, f"x_{name}", (_LENGTH, _BASES)), _bits(path, f"y_{name}", self.output_shape)
            if len(x) != len(y):
                raise DataError(f"{path}: {len(x)} sequences in x_{name}, {len(y)} rows in y_{name}")
            if (y == y[0]).all():
                raise DataError(f"{path}: y_{name} is the same in every row, expected marks to tell apart")
            parts.append((x.transpose(0, 2, 1), y.astype(np.float32)))
            progress(len(parts), len(SPLITS))
        return checks.raw(*parts)

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """One-hot bases in the order A, G, C, T, (n, 1000, 4) or (n, 4, 1000): (n, 4, 1000) float32."""
        raw = checks.batch(raw, ((_LENGTH, _BASES), self.shape), "one-hot bases (n, 1000, 4) or (n, 4, 1000)")
        return (raw if raw.shape[1:] == self.shape else raw.transpose(0, 2, 1)).astype(np.float32)


TASK = DeepSea()


def _bits(path: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array `name` of zeros and ones in the file: (n, *shape) uint8."""
    try:
        with np.load(path, allow_pickle=False) as file:
            array = file[name]
    except Exception as error:  # damaged files raise whatever their first wrong byte happens to mean
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"{path} is not a whole .npz file with {name} ({reason})") from error
    array = checks.numbers(path, name, array, shape)
    if array.min() < 0 or array.max() > 1 or (array % 1).any():
        raise DataError(f"{path}: {name} should hold zeros and ones only")
    return array.astype(np.uint8, copy=False)
