"""Darcy flow: from a piecewise constant permeability to the pressure, one linear elliptic solve per sample."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
from scipy.io import loadmat, savemat

from pare.data import checks
from pare.data.task import Metric, ProgressCallback, Published, Raw, Recipe, Split, Task
from pare.errors import DataError, RequestError
from pare.losses import relative_l2
from pare.tasks.nas360.darcy import generator

SIDE = 85
TRAIN, TEST = 1000, 100
"""Fields that the benchmark takes from the first and from the second file; a tenth of the first are for validation."""

_MARGIN = 1e-5
"""Added to every deviation, as published: the pressure hardly varies beside the boundary."""

_NB360 = "NAS-Bench-360, published table of results"
_RECALLED = "arXiv 2406.09003, NAS-Bench-360 table, not checked against the paper"
_INDEX = "third-party index of results"


def mean_relative_l2(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Mean over samples of ‖p − y‖₂ / ‖y‖₂; both (n, H, W)."""
    p, y = (np.asarray(array, dtype=np.float64).reshape(len(array), -1) for array in (predictions, targets))
    return float(np.mean(np.linalg.norm(p - y, axis=1) / np.linalg.norm(y, axis=1)))


class Darcy(Task):
    """Darcy flow of NAS-Bench-360 (Li et al., arXiv 2010.08895): coefficient and coordinates in, pressure out."""

    name = "darcy"
    title = "Darcy flow"
    kind = "dense"
    version = 1
    shape = (3, SIDE, SIDE)
    output_shape = (SIDE, SIDE)
    metric = Metric("relative L2", "minimize", mean_relative_l2)
    criterion = staticmethod(relative_l2)
    files = ("piececonst_r421_N1024_smooth1.mat", "piececonst_r421_N1024_smooth2.mat")
    homepage = "NAS-Bench-360 (https://nb360.ml.cmu.edu), data set Darcy Flow"
    synthetic = "generated"
    published = (
        Published("WRN", 0.073, _NB360, verified=True),
        Published("DenseNAS random", 0.071, _NB360, verified=True),
        Published("DenseNAS", 0.100, _NB360, verified=True),
        Published("Perceiver IO", 0.240, _NB360, verified=True),
        Published("XGBoost", 0.085, _NB360, verified=True),
        Published("WRN + ASHA", 0.066, _NB360, verified=True),
        Published("DARTS GAEA", 0.026, _NB360, verified=True),
        Published("Auto-DeepLab", 0.049, _NB360, verified=True),
        Published("hand-designed (FNO)", 8.0e-3, _RECALLED, verified=False),
        Published("DASH", 7.9e-3, _RECALLED, verified=False),
        Published("FPT", 2.1e-2, _RECALLED, verified=False),
        Published("NFT", 7.34e-3, _RECALLED, verified=False),
        Published("ORCA", 7.28e-3, _RECALLED, verified=False),
        Published("PaRe", 7.00e-3, _RECALLED, verified=False),
        Published("MoNA", 6.8e-3, _INDEX, verified=False),
    )
    paper: ClassVar[Mapping[str, Any]] = {
        "epochs": 100,
        "body": "microsoft/swin-base-patch4-window7-224-in22k",
        "source": "voc2012",
        "mix_weight": 0.3,
        "tuning.body": "no_query_key",
        "curriculum.family": "linear",
        "curriculum.start": 0.319,  # 1,000 of 3,136 patches
        "curriculum.end": 0.16,  # 500
        "gate.noise_until": 0.1,
        "optimizer.name": "adamw",
        "optimizer.batch": 4,
        "optimizer.lr.embedder": 1e-3,
        "optimizer.lr.body": 1e-3,
        "optimizer.lr.gate": 1e-3,
        "optimizer.lr.heads": 1e-3,
        "optimizer.weight_decay": 5e-3,
        "optimizer.warmup": 0.05,
        "optimizer.decay_until": 1.0,
    }
    laptop: ClassVar[Mapping[str, Any]] = {
        "body": "swin-mini",
        "source": "fractal-masks",
        "tuning.body": "all",
        "epochs": 10,
        "optimizer.batch": 10,
        "optimizer.warmup": 0.1,
    }
    recipes: ClassVar[Mapping[str, Recipe]] = {
        # Solutions on 169² points differ by 0.4 % from those on a far finer grid (421²: 0.1 %, 85²: 0.8 %), well below
        # what a small model reaches, at a sixth of the official 421² in time and on disk.
        "laptop": {"train": 240, "test": 60, "resolution": 169, "seed": 0},
        "paper": {"train": TRAIN, "test": TEST, "resolution": 421, "seed": 0},
    }

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Generate both official files at the recipe's resolution, 84m + 1 points a side for a whole m."""
        counts = int(recipe["train"]), int(recipe["test"])
        seed, resolution = int(recipe["seed"]), int(recipe["resolution"])
        if not _subsamples(resolution):
            raise RequestError(f"resolution is {resolution}: give a multiple of {SIDE - 1} plus 1")
        for stream, (name, count) in enumerate(zip(self.files, counts, strict=True)):

            def report(done: int, _total: int, before: int = sum(counts[:stream])) -> None:
                progress(before + done, sum(counts))

            coeff, sol = generator.generate(seed, stream, count, resolution, report)
            savemat(folder / name, {"coeff": coeff, "sol": sol})

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read fields on every m-th point: the first file's last tenth for validation, the second file for testing."""
        fields: list[np.ndarray] = []
        for name, most in zip(self.files, (TRAIN, TEST), strict=True):
            for variable in ("coeff", "sol"):
                fields.append(_fields(folder / name, variable)[:most])
                progress(len(fields), 4)
            if len(fields[-2]) != len(fields[-1]):
                raise DataError(f"{folder / name}: {len(fields[-2])} fields in coeff, {len(fields[-1])} in sol")
        coeff, sol, test_coeff, test_sol = fields
        count = len(coeff)
        cut = count - max(1, count // 10)
        if cut < 2:
            raise DataError(f"{folder / self.files[0]}: {count} fields, expected 3 or more to train and validate on")
        train = _split(coeff[:cut], sol[:cut], 0)
        val = _split(coeff[cut:], sol[cut:], cut)
        test = _split(test_coeff, test_sol, count)
        input_mean, input_std = _pointwise(coeff[:cut])
        output_mean, output_std = _pointwise(sol[:cut])
        plain = np.zeros((2, SIDE, SIDE), dtype=np.float32)
        statistics = {
            "input_mean": np.concatenate([input_mean[None], plain]),
            "input_std": np.concatenate([input_std[None], plain + 1]),
            "output_mean": output_mean,
            "output_std": output_std,
        }
        return Raw(train, val, test, statistics)

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Coefficients (n, s, s) on 85 points a side, or 84m + 1, become channels coefficient, x, y (n, 3, 85, 85)."""
        raw = np.asarray(raw)
        if raw.ndim != 3 or raw.shape[1] != raw.shape[2] or not _subsamples(raw.shape[1]):
            raise RequestError(f"coefficients have shape {raw.shape}: give (n, {SIDE}, {SIDE}) or (n, 84m+1, 84m+1)")
        if not checks.is_sound(raw):
            raise RequestError(f"coefficients of type {raw.dtype} are not all finite numbers: give real numbers only")
        step = (raw.shape[1] - 1) // (SIDE - 1)
        encoded = np.empty((len(raw), *self.shape), dtype=np.float32)
        encoded[:, 0] = raw[:, ::step, ::step]
        encoded[:, 1:] = np.meshgrid(*[np.linspace(0, 1, SIDE)] * 2, indexing="ij")
        return encoded


TASK = Darcy()


def _subsamples(side: int) -> bool:
    return side >= SIDE and (side - 1) % (SIDE - 1) == 0


def _split(coeff: np.ndarray, sol: np.ndarray, first: int) -> Split:
    return Split(TASK.encode(coeff), sol.astype(np.float32), np.arange(first, first + len(coeff)))


def _pointwise(fields: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased deviation per pixel (85, 85) float32."""
    return fields.mean(0).astype(np.float32), (fields.std(0, ddof=1) + _MARGIN).astype(np.float32)


def _fields(path: Path, variable: str) -> np.ndarray:
    """A variable's fields (n, s, s) on every m-th point of s = 84m + 1: (n, 85, 85)."""
    try:
        if not path.is_file():
            raise FileNotFoundError("no such file")
        array: Any = (_hdf5 if h5py.is_hdf5(path) else _matlab5)(path, variable)
    except Exception as error:  # damaged files raise whatever their first wrong byte happens to mean
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not a whole MATLAB file ({type(error).__name__}: {reason})") from error
    if array is None:
        raise DataError(f"{path} has no variable {variable!r}: expected coeff and sol")
    shape: tuple[int, ...] = getattr(array, "shape", ())
    if len(shape) != 3 or shape[0] == 0 or shape[1] != shape[2] or not _subsamples(shape[1]):
        raise DataError(f"{path}: {variable} has shape {shape}, expected (n, s, s) with s = 84m + 1")
    step = (shape[1] - 1) // (SIDE - 1)
    fields: np.ndarray = array[:, ::step, ::step]
    if not checks.is_sound(fields):
        raise DataError(f"{path}: {variable} of type {fields.dtype} does not hold finite real numbers only")
    # Contiguous, so that the full resolution can be freed.
    return np.ascontiguousarray(fields)


def _matlab5(path: Path, variable: str) -> np.ndarray | None:
    return loadmat(path, variable_names=[variable]).get(variable)


def _hdf5(path: Path, variable: str) -> np.ndarray | None:
    """A variable of a MATLAB 7.3 file, which is HDF5 with the axes reversed; also files that kept their order."""
    with h5py.File(path) as file:
        if not isinstance(file.get(variable), h5py.Dataset):
            return None
        array: np.ndarray = file[variable][()]
    square = array.ndim == 3 and array.shape[0] == array.shape[1]
    return array.T if square else array
