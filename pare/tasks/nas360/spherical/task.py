"""Photographs of 100 classes projected onto the sphere and turned at random: Spherical CIFAR-100."""

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.spatial.transform import Rotation

from pare.data import checks
from pare.data.official.pickles import dump_arrays, load_arrays
from pare.data.task import ProgressCallback, Published, Raw, Recipe, Task
from pare.errors import DataError
from pare.losses import cross_entropy
from pare.tasks.nas360.cifar100 import simulator as cifar100_simulator
from pare.tasks.nas360.spherical import simulator

_SIDE = 2 * simulator.BANDWIDTH
_NB360 = "NAS-Bench-360, published table of results"
_RECALLED = "arXiv 2406.09003, NAS-Bench-360 table, not checked against the paper"


class Spherical(Task):
    """Spherical CIFAR-100 of NAS-Bench-360 (after Cohen et al. 2018, ICLR): polar angle by azimuth in, class out."""

    name = "spherical"
    title = "Spherical CIFAR-100 images"
    kind = "classification"
    version = 1
    shape = (3, _SIDE, _SIDE)
    output_shape = (100,)
    metric = checks.ERROR
    criterion = staticmethod(cross_entropy)
    files = ("s2_cifar100.gz",)
    homepage = "NAS-Bench-360 (https://nb360.ml.cmu.edu), data set Spherical"
    synthetic = "simulated"
    published = (
        Published("WRN", 85.77, _NB360, verified=True),
        Published("DenseNAS random", 71.23, _NB360, verified=True),
        Published("DenseNAS", 72.99, _NB360, verified=True),
        Published("Perceiver IO", 82.57, _NB360, verified=True),
        Published("XGBoost", 96.92, _NB360, verified=True),
        Published("WRN + ASHA", 75.46, _NB360, verified=True),
        Published("DARTS GAEA", 48.23, _NB360, verified=True),
        Published("hand-designed", 67.41, _RECALLED, verified=False),
        Published("DASH", 71.28, _RECALLED, verified=False),
        Published("FPT", 76.38, _RECALLED, verified=False),
        Published("NFT", 55.26, _RECALLED, verified=False),
        Published("ORCA", 29.85, _RECALLED, verified=False),
        Published("PaRe", 25.55, _RECALLED, verified=False),
        Published("MoNA", 27.13, _RECALLED, verified=False),
    )
    paper: ClassVar[Mapping[str, Any]] = {
        "epochs": 60,
        "body": "microsoft/swin-base-patch4-window7-224-in22k",
        "source": "tiny-imagenet",
        "mix_weight": 1.0,
        "curriculum.family": "linear",
        "curriculum.start": 0.638,  # 2,000 of 3,136 patches
        "curriculum.end": 0.159,  # 500
        "gate.noise_until": 10 / 60,
        "optimizer.name": "adamw",
        "optimizer.batch": 16 * 8,
        "optimizer.accumulate": 8,
        "optimizer.lr.embedder": 1e-4,
        "optimizer.lr.body": 1e-4,
        "optimizer.lr.gate": 1e-4,
        "optimizer.lr.heads": 1e-4,
        "optimizer.weight_decay": 0.1,
        "optimizer.warmup": 5 / 60,
        "optimizer.decay_until": 1.0,
    }
    laptop: ClassVar[Mapping[str, Any]] = {
        "epochs": 6,
        "body": "swin-mini",
        "source": "fractals",
        "optimizer.batch": 32,
        "optimizer.accumulate": 1,
        "optimizer.lr.embedder": 1e-3,
        "optimizer.lr.body": 1e-3,
        "optimizer.lr.gate": 1e-3,
        "optimizer.lr.heads": 1e-3,
        "optimizer.weight_decay": 0.01,
        "optimizer.warmup": 0.1,
    }
    recipes: ClassVar[Mapping[str, Recipe]] = {"laptop": {"train": 1250, "test": 250, "seed": 0}}

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Draw CIFAR-100's simulated pictures and project each under a rotation of its own.

        The published files turn 500 pictures alike: so few rotations would be left here that none could be learned.
        """
        content = {}
        for stream, name in enumerate(("train", "test")):
            rng = np.random.default_rng((int(recipe["seed"]), stream))
            kinds = rng.permutation(np.arange(int(recipe[name])) % 100)
            flat = cifar100_simulator.draw(kinds, rng)
            turns = Rotation.random(len(kinds), rng=rng)
            content[name] = {"images": simulator.project(flat, turns), "labels": kinds}
            progress(stream + 1, 2)
        # The time of writing would make each file another.
        with gzip.GzipFile(folder / self.files[0], "wb", compresslevel=1, mtime=0) as file:
            dump_arrays(file, content)

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read both parts: the last fifth of the training images, 10,000, are for validation."""
        path = folder / self.files[0]
        content = load_arrays(path, gzip.open)
        progress(1, 3)
        x, y = self._images(path, content, "train", least=5)
        progress(2, 3)
        test = self._images(path, content, "test", least=1)
        progress(3, 3)
        # 40,000 of the official 50,000; a file of another size, a simulated one, is cut in the same proportion.
        cut = len(x) * 4 // 5
        return checks.raw((x[:cut], y[:cut]), (x[cut:], y[cut:]), test)

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Images (n, 3, 60, 60) on the grid of Driscoll and Healy, as bytes or in [0, 1], in [0, 1]."""
        return checks.pixels(checks.batch(raw, (self.shape,), "images (n, 3, 60, 60)"))

    def assemble(self, x: np.ndarray) -> np.ndarray:
        """Bytes, as which images rest, in [0, 1]."""
        return checks.pixels(x)

    def _images(self, path: Path, content: Any, name: str, least: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (n, 3, 60, 60) uint8 and classes (n,) of one part, checked."""
        part = content.get(name) if isinstance(content, dict) else None
        if not isinstance(part, dict) or not {"images", "labels"} <= part.keys():
            raise DataError(f"{path} should hold a dict {{train, test}} of dicts {{images, labels}}")
        images = checks.numbers(path, f"images of {name}", part["images"], self.shape, least)
        if images.dtype != np.uint8:
            raise DataError(f"{path}: images of {name} are {images.dtype}, expected bytes")
        return images, checks.classes(path, f"labels of {name}", part["labels"], len(images), 100)


TASK = Spherical()
