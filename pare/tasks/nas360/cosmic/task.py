"""Cosmic rays on images of the Hubble Space Telescope: deepCR, ACS/WFC, filter F435W, fields of galaxies."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from pare.data import checks, seeded
from pare.data.task import Metric, ProgressCallback, Published, Raw, Recipe, Split, Task
from pare.errors import DataError, RequestError
from pare.tasks.nas360.cosmic import simulator
from pare.tasks.nas360.cosmic.images import CROP, FILTER, GALAXIES, SIDE, Images

SKY = (-0.9, 3.0)
"""Between how many times its own sky is added to a training image."""

_PARTS = ("train", "test")
_HELD_OUT = 10  # one part in so many is for validation

_DECISIONS = "1 - AUROC of decisions"
_MISSED = "false negatives"
_NB360 = "NAS-Bench-360, published table of results"
_RECALLED = "arXiv 2406.09003, NAS-Bench-360 table, not checked against the paper"
_INDEX = "third-party index of results"


def unignored_cross_entropy(predictions: Tensor, targets: Tensor) -> Tensor:
    """Sigmoid cross-entropy of logits (B, H, W), averaged over a sample's pixels that (B, 2, H, W) does not ignore."""
    mask, counted = targets[:, 0], 1 - targets[:, 1]
    losses = F.binary_cross_entropy_with_logits(predictions, mask, reduction="none") * counted
    return losses.sum((1, 2)) / counted.sum((1, 2)).clamp(min=1)


def _of_counted(predictions: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the cosmic rays' pixels, and of the others, over the whole set; ignored ones are in neither."""
    mask, counted = targets[:, 0] > 0, targets[:, 1] == 0
    return predictions[counted & mask], predictions[counted & ~mask]


def one_minus_auroc(predictions: np.ndarray, targets: np.ndarray) -> float:
    """1 minus the area under the ROC of all pixels' logits (n, H, W), targets being mask and ignore map (n, 2, H, W).

    The exact rank statistic, ties counting half, by a search for the rare class in the sorted other one.
    """
    rays, others = _of_counted(predictions, targets)
    others.sort()
    below = np.searchsorted(others, rays, "left").sum() + np.searchsorted(others, rays, "right").sum()
    return 1.0 - float(below) / 2 / len(rays) / len(others)


def one_minus_balanced_accuracy(predictions: np.ndarray, targets: np.ndarray) -> float:
    """1 minus the mean of both classes' shares of right decisions (logit > 0): the published "1 - AUROC"."""
    rays, others = _of_counted(predictions, targets)
    return 1.0 - float((rays > 0).mean() + (others <= 0).mean()) / 2


def missed(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Cosmic rays' pixels that are not found (logit > 0), in percent."""
    return 100 * float((_of_counted(predictions, targets)[0] <= 0).mean())


class Cosmic(Task):
    """Cosmic of NAS-Bench-360 (Zhang & Bloom 2020, ApJ 889:24): an image in electrons in, where cosmic rays hit it out.

    A split's x (n, 129, 128) is the image and below it a row of its visit's sky level; y (n, 2, 128, 128) is the mask
    of cosmic rays and the map of pixels to ignore. Inputs are standardised, which the released code does not do, and
    the test images are left as they are, where it brightens them at random too.
    """

    name = "cosmic"
    title = "Cosmic rays"
    kind = "dense"
    version = 1
    shape = (1, SIDE, SIDE)
    output_shape = (SIDE, SIDE)
    metric = Metric("1 - AUROC", "minimize", one_minus_auroc)
    extra_metrics = (
        Metric(_DECISIONS, "minimize", one_minus_balanced_accuracy),
        Metric(_MISSED, "minimize", missed, unit="%"),
    )
    criterion = staticmethod(unignored_cross_entropy)
    files = ("deepCR.ACS-WFC.train.tar", "deepCR.ACS-WFC.test.tar")
    homepage = "deepCR (https://github.com/profjsb/deepCR), training data ACS/WFC, or NAS-Bench-360, data set Cosmic"
    in_parts = True
    synthetic = "simulated"
    published = (
        Published("WRN", 51.76, _NB360, verified=True, metric=_MISSED),
        Published("DenseNAS random", 70.42, _NB360, verified=True, metric=_MISSED),
        Published("DenseNAS", 79.52, _NB360, verified=True, metric=_MISSED),
        Published("Perceiver IO", 100.0, _NB360, verified=True, metric=_MISSED),
        Published("XGBoost", 46.26, _NB360, verified=True, metric=_MISSED),
        Published("WRN + ASHA", 37.53, _NB360, verified=True, metric=_MISSED),
        Published("DARTS GAEA", 31.15, _NB360, verified=True, metric=_MISSED),
        Published("Auto-DeepLab", 99.79, _NB360, verified=True, metric=_MISSED),
        Published("hand-designed", 0.127, _RECALLED, verified=False, metric=_DECISIONS),
        Published("best of NAS-Bench-360", 0.229, _RECALLED, verified=False, metric=_DECISIONS),
        Published("DASH", 0.19, _RECALLED, verified=False, metric=_DECISIONS),
        Published("Perceiver IO", 0.49, _INDEX, verified=False, metric=_DECISIONS),
        Published("FPT", 0.233, _RECALLED, verified=False, metric=_DECISIONS),
        Published("NFT", 0.170, _RECALLED, verified=False, metric=_DECISIONS),
        Published("ORCA", 0.152, _RECALLED, verified=False, metric=_DECISIONS),
        Published("PaRe", 0.121, _RECALLED, verified=False, metric=_DECISIONS),
        Published("MoNA", 0.121, _RECALLED, verified=False, metric=_DECISIONS),
    )
    paper: ClassVar[Mapping[str, Any]] = {
        "epochs": 60,
        "body": "microsoft/swin-base-patch4-window7-224-in22k",
        "source": "voc2012",
        "mix_weight": 0.3,
        "curriculum.family": "linear",
        "curriculum.start": 0.159,  # 500 of 3,136 patches
        "curriculum.end": 0.0,
        "gate.noise_until": 10 / 60,
        "optimizer.name": "adamw",
        "optimizer.batch": 4,
        "optimizer.lr.embedder": 1e-3,
        "optimizer.lr.body": 1e-3,
        "optimizer.lr.gate": 1e-3,
        "optimizer.lr.heads": 1e-3,
        "optimizer.weight_decay": 0.0,
        "optimizer.warmup": 5 / 60,
        "optimizer.decay_until": 1.0,
    }
    laptop: ClassVar[Mapping[str, Any]] = {
        "epochs": 8,
        "body": "swin-mini",
        "source": "fractal-masks",
        "optimizer.warmup": 0.1,
    }
    recipes: ClassVar[Mapping[str, Recipe]] = {"laptop": {"train": 200, "test": 40, "seed": 0}}

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Simulate both tars, images spread evenly over some of the benchmark's own visits."""
        counts = [int(recipe["train"]), int(recipe["test"])]
        visits = GALAXIES[:10], GALAXIES[10:14]
        for stream, (name, count, own) in enumerate(zip(self.files, counts, visits, strict=True)):

            def report(done: int, before: int = sum(counts[:stream])) -> None:
                progress(before + done, sum(counts))

            top = f"npy_{_PARTS[stream]}/{FILTER}"
            simulator.write(folder / name, top, own, count, (int(recipe["seed"]), stream), report)

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read the fields of galaxies; for validation, whole visits of the training archive, a tenth of it or more."""
        train, test = (Images(folder, name, part) for name, part in zip(self.files, _PARTS, strict=True))
        n, total = len(train), len(train) + len(test)
        cut = train.visits.index(train.visits[n - max(1, n // _HELD_OUT)])
        if cut == 0:
            raise DataError(f"{train.archive.path}: images of one visit only, expected more to train and validate on")
        statistics: dict[str, np.ndarray] = {}
        return Raw(
            _measured(train.chunks(0, cut, lambda done: progress(done, total)), statistics),
            train.chunks(cut, n, lambda done: progress(done, total)),
            test.chunks(0, len(test), lambda done: progress(n + done, total)),
            statistics,
        )

    def statistics_of(self, train: Split) -> dict[str, np.ndarray]:
        """Return mean and deviation of these images' pixels."""
        statistics: dict[str, np.ndarray] = {}
        for _ in _measured(iter([train]), statistics):
            pass
        return statistics

    def assemble(self, x: np.ndarray) -> np.ndarray:
        """Images (n, 1, 128, 128) without their sky."""
        return x[:, None, :SIDE]

    def augment(self, x: np.ndarray, y: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Add to each image its visit's sky, a random number of times from -0.9 to 3: other exposures, as published."""
        times = SKY[0] + (SKY[1] - SKY[0]) * seeded.uniform(seeds, 1)
        x[:, :SIDE] += (x[:, SIDE] * times)[:, None].astype(np.float32)
        return x, y

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Images in electrons (n, 128, 128), (n, 1, 128, 128), or (n, 256, 256) cut to their middle."""
        raw = np.asarray(raw)
        if raw.shape[1:] not in {self.shape, self.output_shape, (256, 256)}:
            raise RequestError(f"images have shape {raw.shape}: give (n, 128, 128) or (n, 256, 256)")
        if not checks.is_sound(raw):
            raise RequestError(f"images of type {raw.dtype} are not all finite numbers: give electrons per pixel")
        if raw.shape[1:] == (256, 256):
            raw = raw[:, CROP, CROP]
        return raw.reshape(-1, *self.shape).astype(np.float32)

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """Each pixel's log-odds of a cosmic ray in training, from targets (n, 2, 128, 128)."""
        counted = 1 - targets[:, 1]
        share = ((targets[:, 0] * counted).sum(0) + 0.5) / (counted.sum(0) + 1)
        return np.log(share / (1 - share)).astype(np.float32)


TASK = Cosmic()


def _measured(chunks: Iterator[Split], statistics: dict[str, np.ndarray]) -> Iterator[Split]:
    """The same chunks; their pixels' mean and deviation go into `statistics` at the end."""
    count, total, squares = 0, 0.0, 0.0
    for chunk in chunks:
        pixels = chunk.x[:, :SIDE].astype(np.float64)
        count, total, squares = count + pixels.size, total + pixels.sum(), squares + np.square(pixels).sum()
        yield chunk
    mean = total / count
    deviation = np.sqrt(squares / count - mean**2)
    statistics |= {"input_mean": np.array(mean, np.float32), "input_std": np.array(deviation, np.float32)}
