"""Source proxy for images: photographs of 10 classes, 32 pixels a side (CIFAR-10)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pare.data import checks
from pare.data.task import Download, ProgressCallback, Raw, Recipe
from pare.tasks.nas360.cifar100 import archive, simulator

_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST = "test_batch"


class Cifar10(archive.Cifar):
    """CIFAR-10: an image in [0, 1] in, its class out. The released code takes 5,000 of its images, this one all."""

    name = "cifar10"
    title = "CIFAR-10 images"
    version = 1
    output_shape = (10,)
    labels = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    files = ("cifar-10-python.tar.gz",)
    homepage = f"{archive.Cifar.homepage}; --source fractals needs no file"
    folder = "cifar-10-batches-py"
    key = "labels"
    downloads: ClassVar[Mapping[str, Download]] = {
        "cifar-10-python.tar.gz": Download(
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "md5:c58f30108f718f92721af3b95e74349a",
            170_498_071,
        )
    }
    paper: ClassVar = {}
    laptop: ClassVar = {}
    recipes: ClassVar[Mapping[str, Recipe]] = {"laptop": {"train": 1250, "test": 250, "seed": 0}}

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Draw pictures of 10 kinds, the training ones in five batches, packed as the official archive is."""

        def batches() -> Iterator[tuple[str, np.ndarray, dict[str, np.ndarray]]]:
            for stream, name in enumerate((*_TRAIN, _TEST)):
                rng = np.random.default_rng((int(recipe["seed"]), stream))
                count = int(recipe["test"]) if name == _TEST else int(recipe["train"]) // len(_TRAIN)
                labels = rng.permutation(np.arange(count) % 10)
                yield name, simulator.draw(10 * labels, rng), {self.key: labels}
                progress(stream + 1, len(_TRAIN) + 1)

        self.pack(folder / self.files[0], batches())

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read the archive where it lies: its fifth batch, 10,000 images, is for validation."""
        parts = []
        for name in (*_TRAIN, _TEST):
            parts.append(self.batch(folder / self.files[0], name))
            progress(len(parts), len(_TRAIN) + 1)
        *train, val, test = parts
        x, y = (np.concatenate(column) for column in zip(*train, strict=True))
        return checks.raw((x, y), val, test, statistics=archive.statistics(x))


TASK = Cifar10()
