"""Gestures from 0.26 s of the forearm's muscles, heard by 16 electrodes: NinaPro DB5."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pare.data import checks
from pare.data.official.pickles import load_npy
from pare.data.task import SPLITS, ProgressCallback, Published, Raw, Recipe, Task
from pare.losses import cross_entropy
from pare.tasks.nas360.ninapro import simulator

_LENGTH, _CHANNELS = simulator.LENGTH, simulator.CHANNELS
_NB360 = "NAS-Bench-360, published table of results"
_RECALLED = "arXiv 2406.09003, NAS-Bench-360 table, not checked against the paper"


class Ninapro(Task):
    """NinaPro DB5 of NAS-Bench-360 (Pizzolato et al. 2017, PLoS ONE 12): electrode by time in, gesture out."""

    name = "ninapro"
    title = "NinaPro gestures"
    kind = "classification"
    version = 1
    shape = (1, _CHANNELS, _LENGTH)
    output_shape = (simulator.GESTURES,)
    metric = checks.ERROR
    # The release's focal loss has γ = 0 and α = 1, which is cross-entropy.
    criterion = staticmethod(cross_entropy)
    files = (
        "ninapro_train.npy",
        "label_train.npy",
        "ninapro_val.npy",
        "label_val.npy",
        "ninapro_test.npy",
        "label_test.npy",
    )
    homepage = "NAS-Bench-360 (https://nb360.ml.cmu.edu), data set NinaPro"
    synthetic = "simulated"
    published = (
        Published("WRN", 6.78, _NB360, verified=True),
        Published("DenseNAS random", 8.45, _NB360, verified=True),
        Published("DenseNAS", 10.17, _NB360, verified=True),
        Published("Perceiver IO", 22.22, _NB360, verified=True),
        Published("XGBoost", 21.90, _NB360, verified=True),
        Published("WRN + ASHA", 7.34, _NB360, verified=True),
        Published("DARTS GAEA", 17.67, _NB360, verified=True),
        Published("hand-designed", 8.73, _RECALLED, verified=False),
        Published("DASH", 6.60, _RECALLED, verified=False),
        Published("FPT", 15.69, _RECALLED, verified=False),
        Published("NFT", 8.35, _RECALLED, verified=False),
        Published("ORCA", 7.54, _RECALLED, verified=False),
        Published("PaRe", 6.53, _RECALLED, verified=False),
        Published("MoNA", 7.28, _RECALLED, verified=False),
    )
    paper: ClassVar[Mapping[str, Any]] = {
        "epochs": 60,
        "body": "microsoft/swin-base-patch4-window7-224-in22k",
        "source": "cifar10",
        "mix_weight": 1.0,
        "curriculum.family": "linear",
        "curriculum.start": 0.638,  # 2,000 of 3,136 patches
        "curriculum.end": 0.159,  # 500
        "gate.noise_until": 10 / 60,
        "optimizer.name": "adam",
        "optimizer.batch": 16 * 2,
        "optimizer.accumulate": 2,
        "optimizer.clip": 1.0,
        "optimizer.lr.embedder": 1e-4,
        "optimizer.lr.body": 1e-4,
        "optimizer.lr.gate": 1e-4,
        "optimizer.lr.heads": 1e-4,
        "optimizer.weight_decay": 1e-5,
        "optimizer.warmup": 5 / 60,
        "optimizer.decay_until": 1.0,
    }
    laptop: ClassVar[Mapping[str, Any]] = {
        "epochs": 6,
        "body": "swin-mini",
        "source": "fractals",
        "optimizer.name": "adamw",
        "optimizer.batch": 32,
        "optimizer.accumulate": 1,
        "optimizer.lr.embedder": 1e-3,
        "optimizer.lr.body": 1e-3,
        "optimizer.lr.gate": 1e-3,
        "optimizer.lr.heads": 1e-3,
        "optimizer.weight_decay": 0.01,
        "optimizer.warmup": 0.1,
    }
    recipes: ClassVar[Mapping[str, Recipe]] = {"laptop": {"train": 1000, "val": 250, "test": 250, "seed": 0}}

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Simulate windows, as many of each gesture as the counts allow."""
        for stream, name in enumerate(SPLITS):
            rng = np.random.default_rng((int(recipe["seed"]), stream))
            gestures = rng.permutation(np.arange(int(recipe[name])) % simulator.GESTURES)
            np.save(folder / f"ninapro_{name}.npy", simulator.simulate(gestures, rng))
            np.save(folder / f"label_{name}.npy", gestures)
            progress(stream + 1, len(SPLITS))

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read the three parts as they were split: 2,638, 659 and 659 windows."""
        parts = []
        for name in SPLITS:
            path, label = folder / f"ninapro_{name}.npy", folder / f"label_{name}.npy"
            windows = checks.numbers(path, "the array", load_npy(path), (_LENGTH, _CHANNELS))
            gestures = checks.classes(label, "the array", load_npy(label), len(windows), self.output_shape[0])
            parts.append((self.encode(windows), gestures))
            progress(len(parts), len(SPLITS))
        return checks.raw(*parts)

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Windows (n, 52, 16), time by electrode, or (n, 1, 16, 52), scaled as the official files: (n, 1, 16, 52)."""
        raw = checks.batch(raw, ((_LENGTH, _CHANNELS), self.shape), "windows (n, 52, 16) or (n, 1, 16, 52)")
        return (raw if raw.ndim == 4 else raw.transpose(0, 2, 1)[:, None]).astype(np.float32)


TASK = Ninapro()
