"""Photographs of 100 classes, 32 pixels a side: CIFAR-100."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pare.data import checks
from pare.data.task import Download, ProgressCallback, Published, Raw, Recipe, Split
from pare.tasks.nas360.cifar100 import archive, simulator

_NB360 = "NAS-Bench-360, published table of results"
_RECALLED = "arXiv 2406.09003, NAS-Bench-360 table, not checked against the paper"

_NAMES = """apple, aquarium fish, baby, bear, beaver, bed, bee, beetle, bicycle, bottle, bowl, boy, bridge, bus,
butterfly, camel, can, castle, caterpillar, cattle, chair, chimpanzee, clock, cloud, cockroach, couch, crab, crocodile,
cup, dinosaur, dolphin, elephant, flatfish, forest, fox, girl, hamster, house, kangaroo, keyboard, lamp, lawn mower,
leopard, lion, lizard, lobster, man, maple tree, motorcycle, mountain, mouse, mushroom, oak tree, orange, orchid,
otter, palm tree, pear, pickup truck, pine tree, plain, plate, poppy, porcupine, possum, rabbit, raccoon, ray, road,
rocket, rose, sea, seal, shark, shrew, skunk, skyscraper, snail, snake, spider, squirrel, streetcar, sunflower,
sweet pepper, table, tank, telephone, television, tiger, tractor, train, trout, tulip, turtle, wardrobe, whale,
willow tree, wolf, woman, worm"""


class Cifar100(archive.Cifar):
    """CIFAR-100 of NAS-Bench-360 (Krizhevsky 2009): an image in [0, 1] in, its fine class out."""

    name = "cifar100"
    title = "CIFAR-100 images"
    version = 1
    output_shape = (100,)
    labels = tuple(" ".join(name.split()) for name in _NAMES.split(","))
    files = ("cifar-100-python.tar.gz",)
    folder = "cifar-100-python"
    key = "fine_labels"
    downloads: ClassVar[Mapping[str, Download]] = {
        "cifar-100-python.tar.gz": Download(
            "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
            "md5:eb9058c3a382ffc7106e4002c42a8d85",
            169_001_437,
        )
    }
    published = (
        Published("WRN", 23.35, _NB360, verified=True),
        Published("DenseNAS random", 25.49, _NB360, verified=True),
        Published("DenseNAS", 25.98, _NB360, verified=True),
        Published("Perceiver IO", 70.04, _NB360, verified=True),
        Published("XGBoost", 84.83, _NB360, verified=True),
        Published("WRN + ASHA", 23.39, _NB360, verified=True),
        Published("DARTS GAEA", 24.02, _NB360, verified=True),
        Published("hand-designed", 19.39, _RECALLED, verified=False),
        Published("DASH", 24.37, _RECALLED, verified=False),
        Published("FPT", 10.11, _RECALLED, verified=False),
        Published("NFT", 7.67, _RECALLED, verified=False),
        Published("ORCA", 6.53, _RECALLED, verified=False),
        Published("PaRe", 6.25, _RECALLED, verified=False),
        Published("MoNA", 6.48, _RECALLED, verified=False),
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
        # Published: rate 1e-4 and decay 1e-3 on the sum of 32 parts' gradients. Ours is their mean, for which the same
        # updates need 32 times the rate and a 32nd of the decay.
        "optimizer.name": "sgd",
        "optimizer.momentum": 0.9,
        "optimizer.batch": 32 * 32,
        "optimizer.accumulate": 32,
        "optimizer.lr.embedder": 32 * 1e-4,
        "optimizer.lr.body": 32 * 1e-4,
        "optimizer.lr.gate": 32 * 1e-4,
        "optimizer.lr.heads": 32 * 1e-4,
        "optimizer.weight_decay": 1e-3 / 32,
        "optimizer.warmup": 5 / 60,
        "optimizer.decay_until": 200 / 60,
    }
    laptop: ClassVar[Mapping[str, Any]] = {
        "epochs": 4,
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
        "optimizer.decay_until": 1.0,
    }
    recipes: ClassVar[Mapping[str, Recipe]] = {"laptop": {"train": 1250, "test": 250, "seed": 0}}

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Draw pictures of 100 kinds, as many of each as the counts allow, and pack them as the official archive is."""

        def batches() -> Iterator[tuple[str, np.ndarray, dict[str, np.ndarray]]]:
            for stream, name in enumerate(("train", "test")):
                rng = np.random.default_rng((int(recipe["seed"]), stream))
                fine = rng.permutation(np.arange(int(recipe[name])) % 100)
                labels = {self.key: fine, "coarse_labels": simulator.COARSE[fine]}
                yield name, simulator.draw(fine, rng), labels
                progress(stream + 1, 2)

        self.pack(folder / self.files[0], batches())

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read the archive where it lies: of its training images the last fifth, 10,000, are for validation."""
        path = folder / self.files[0]
        x, y = self.batch(path, "train", least=5)
        progress(1, 2)
        test = self.batch(path, "test")
        progress(2, 2)
        # 40,000 of the official 50,000; an archive of another size, a simulated one, is cut in the same proportion.
        cut = len(x) * 4 // 5
        train, val = (x[:cut], y[:cut]), (x[cut:], y[cut:])
        return checks.raw(train, val, test, statistics=archive.statistics(x[:cut]))

    def statistics_of(self, train: Split) -> dict[str, np.ndarray]:
        """Return mean and deviation of each channel of these images."""
        return archive.statistics(train.x)


TASK = Cifar100()
