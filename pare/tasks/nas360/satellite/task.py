"""Crop type from a year of satellite images, one pixel's 46 values: the Satellite task."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pare.data import checks
from pare.data.official.pickles import load_npy
from pare.data.task import ProgressCallback, Published, Raw, Recipe, Task
from pare.errors import DataError
from pare.losses import cross_entropy
from pare.tasks.nas360.satellite import simulator

_LENGTH = simulator.LENGTH
_NB360 = "NAS-Bench-360, published table of results"
_RECALLED = "arXiv 2406.09003, NAS-Bench-360 table, not checked against the paper"


class Satellite(Task):
    """Satellite of NAS-Bench-360 (Petitjean et al. 2012, IEEE TGRS 50): a series in, crop out."""

    name = "satellite"
    title = "Satellite crop types"
    kind = "classification"
    version = 1
    shape = (1, _LENGTH)
    output_shape = (simulator.CROPS,)
    metric = checks.ERROR
    criterion = staticmethod(cross_entropy)
    files = ("satellite_train.npy", "satellite_test.npy")
    homepage = "NAS-Bench-360 (https://nb360.ml.cmu.edu), data set Satellite"
    synthetic = "simulated"
    published = (
        Published("WRN", 15.49, _NB360, verified=True),
        Published("DenseNAS random", 13.91, _NB360, verified=True),
        Published("DenseNAS", 13.81, _NB360, verified=True),
        Published("Perceiver IO", 15.93, _NB360, verified=True),
        Published("XGBoost", 36.36, _NB360, verified=True),
        Published("WRN + ASHA", 15.84, _NB360, verified=True),
        Published("DARTS GAEA", 12.51, _NB360, verified=True),
        Published("AMBER", 12.97, _NB360, verified=True),
        Published("hand-designed", 19.80, _RECALLED, verified=False),
        Published("DASH", 12.28, _RECALLED, verified=False),
        Published("FPT", 20.83, _RECALLED, verified=False),
        Published("NFT", 13.86, _RECALLED, verified=False),
        Published("ORCA", 11.59, _RECALLED, verified=False),
        Published("PaRe", 11.18, _RECALLED, verified=False),
        Published("MoNA", 11.13, _RECALLED, verified=False),
    )
    paper: ClassVar[Mapping[str, Any]] = {
        "epochs": 60,
        "body": "FacebookAI/roberta-base",
        "source": "conll2000",  # the released features are of it, though the paper says CoNLL-2003
        "patch": 1,
        "mix_weight": 0.1,
        "curriculum.family": "linear",
        "curriculum.start": 0.696,  # 32 of 46 patches
        "curriculum.end": 0.0,
        "gate.noise_until": 5 / 60,
        "optimizer.name": "adamw",
        "optimizer.batch": 64,
        "optimizer.lr.embedder": 3e-5,
        "optimizer.lr.body": 3e-5,
        "optimizer.lr.gate": 3e-5,
        "optimizer.lr.heads": 3e-5,
        "optimizer.weight_decay": 3e-6,
        "optimizer.warmup": 5 / 60,
        "optimizer.decay_until": 1.0,
    }
    laptop: ClassVar[Mapping[str, Any]] = {
        "epochs": 4,
        "body": "roberta-mini",
        "source": "signals",
        "patch": 2,
        "optimizer.batch": 32,
        "optimizer.lr.embedder": 1e-3,
        "optimizer.lr.body": 1e-3,
        "optimizer.lr.gate": 1e-3,
        "optimizer.lr.heads": 1e-3,
        "optimizer.weight_decay": 0.01,
        "optimizer.warmup": 0.1,
    }
    recipes: ClassVar[Mapping[str, Recipe]] = {"laptop": {"train": 1350, "test": 150, "seed": 0}}

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Simulate fields with crops as unequally common as crops are."""
        for stream, name in enumerate(("train", "test")):
            rng = np.random.default_rng((int(recipe["seed"]), stream))
            crops = rng.choice(simulator.CROPS, int(recipe[name]), p=simulator.SHARES)
            content = {"data": simulator.simulate(crops, rng), "label": crops + 1}
            # A dict saved as .npy is an array without axes that holds it, as the official files do.
            np.save(folder / self.files[stream], np.array(content, dtype=object))
            progress(stream + 1, 2)

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read both files: the last ninth of the first, 100,000 series, are for validation."""
        x, y = self._series(folder / self.files[0], least=9)
        progress(1, 2)
        test = self._series(folder / self.files[1], least=1)
        progress(2, 2)
        # 800,000 of the official 900,000; a file of another size, a simulated one, is cut in the same proportion.
        cut = len(x) - len(x) // 9
        return checks.raw((x[:cut], y[:cut]), (x[cut:], y[cut:]), test)

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Series (n, 46) or (n, 1, 46), each scaled to mean 0 and deviation 1: (n, 1, 46) float32."""
        raw = checks.batch(raw, ((_LENGTH,), self.shape), "series (n, 46) or (n, 1, 46)")
        return checks.standardised(raw).reshape(-1, *self.shape)

    def _series(self, path: Path, least: int) -> tuple[np.ndarray, np.ndarray]:
        """Encoded series (n, 1, 46) and crops (n,) from 0 of one file, checked."""
        array = load_npy(path)
        content = array.item() if array.shape == () else None
        if not isinstance(content, dict) or not {"data", "label"} <= content.keys():
            raise DataError(f"{path} should hold a dict with 'data' and 'label'")
        data = checks.numbers(path, "data", content["data"], (_LENGTH,), least)
        return self.encode(data), checks.classes(
            path, "label", content["label"], len(data), self.output_shape[0], first=1
        )


TASK = Satellite()
