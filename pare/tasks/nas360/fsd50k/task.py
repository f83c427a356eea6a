"""Sound events in a second of audio, 200 labels: FSD50K."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import average_precision_score

from pare.data import seeded
from pare.data.task import SPLITS, Metric, ProgressCallback, Published, Raw, Recipe, Split, Task
from pare.errors import RequestError
from pare.losses import binary_cross_entropy
from pare.tasks.nas360.fsd50k import logmel, simulator
from pare.tasks.nas360.fsd50k.audio import FRAMES, LABELS, Audio, spectrograms

MASKS, BANDS, TIMES, MASKED = 2, 0.15, 0.20, 0.5
"""SpecAugment: most masks, largest share of the bands and of the frames that one covers, and how often at all."""

_NB360 = "NAS-Bench-360, published table of results"
_RECALLED = "arXiv 2406.09003, NAS-Bench-360 table, not checked against the paper"


def one_minus_map(predictions: np.ndarray, targets: np.ndarray) -> float:
    """1 minus the average precision, averaged over the labels that occur; logits and targets (n, 200)."""
    occurs = targets.any(axis=0)
    return 1.0 - float(average_precision_score(targets[:, occurs], predictions[:, occurs], average="macro"))


class Fsd50k(Task):
    """FSD50K of NAS-Bench-360 (Fonseca et al. 2022, IEEE/ACM TASLP 30:829): a second's spectrogram in, its tags out.

    An epoch hears one second of each clip; a clip is judged by the mean logits of all its seconds. As published,
    spectrograms of background noise are mixed into three of four training seconds, but once and for all when the data
    are prepared, before the masking instead of after it, and from the first minute of each noise file.
    """

    name = "fsd50k"
    title = "FSD50K sound events"
    kind = "multilabel"
    version = 1
    shape = (1, logmel.BANDS, FRAMES + 1)
    output_shape = (LABELS,)
    metric = Metric("1 - mAP", "minimize", one_minus_map)
    criterion = staticmethod(partial(binary_cross_entropy, positive_weight=10.0))
    drawn_by_group = True
    files = ("audio.zip",)
    homepage = "NAS-Bench-360 (https://nb360.ml.cmu.edu), data set FSD50K"
    in_parts = True
    synthetic = "simulated"
    published = (
        Published("WRN", 0.92, _NB360, verified=True),
        Published("DenseNAS random", 0.60, _NB360, verified=True),
        Published("DenseNAS", 0.64, _NB360, verified=True),
        Published("Perceiver IO", 0.72, _NB360, verified=True),
        Published("XGBoost", 0.98, _NB360, verified=True),
        Published("WRN + ASHA", 0.91, _NB360, verified=True),
        Published("DARTS GAEA", 0.94, _NB360, verified=True),
        Published("hand-designed", 0.62, _RECALLED, verified=False),
        Published("DASH", 0.60, _RECALLED, verified=False),
        Published("FPT", 0.67, _RECALLED, verified=False),
        Published("NFT", 0.63, _RECALLED, verified=False),
        Published("ORCA", 0.56, _RECALLED, verified=False),
        Published("PaRe", 0.55, _RECALLED, verified=False),
        Published("MoNA", 0.55, _RECALLED, verified=False),
    )
    paper: ClassVar[Mapping[str, Any]] = {
        "epochs": 100,
        "body": "microsoft/swin-base-patch4-window7-224-in22k",
        "source": "cifar10",
        "mix_weight": 1.0,
        "curriculum.family": "linear",
        "curriculum.start": 0.638,  # 2,000 of 3,136 patches
        "curriculum.end": 0.159,  # 500
        "gate.noise_until": 0.1,
        "optimizer.name": "adam",
        "optimizer.batch": 32,
        "optimizer.lr.embedder": 3e-5,
        "optimizer.lr.body": 3e-5,
        "optimizer.lr.gate": 3e-5,
        "optimizer.lr.heads": 3e-5,
        "optimizer.weight_decay": 5e-5,
        "optimizer.warmup": 0.05,
        "optimizer.decay_until": 1.0,
    }
    laptop: ClassVar[Mapping[str, Any]] = {
        "epochs": 12,
        "body": "swin-mini",
        "source": "fractals",
        "optimizer.lr.embedder": 1e-3,
        "optimizer.lr.body": 1e-3,
        "optimizer.lr.gate": 1e-3,
        "optimizer.lr.heads": 1e-3,
        "optimizer.warmup": 0.1,
    }
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "laptop": {"train": 400, "val": 80, "test": 120, "sounds": 20, "seed": 0},
    }

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Simulate clips of one to two seconds, cut as the benchmark cuts them, of the first few of the labels."""
        clips = [int(recipe[name]) for name in SPLITS]
        simulator.write(folder / self.files[0], clips, int(recipe["sounds"]), int(recipe["seed"]), progress)

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read the archive's three splits, in chunks: all the spectrograms together would not fit into memory."""
        audio = Audio(folder, self.files[0])
        manifests = [audio.manifest(name) for name in ("tr", "val", "eval")]
        noises = audio.noises()
        total = sum(len(each.files) for each in manifests)
        splits, chunks, clips = [], 0, 0
        for manifest, noise in zip(manifests, (noises, None, None), strict=True):

            def report(done: int, before: int = chunks) -> None:
                progress(before + done, total)

            splits.append(audio.chunks(manifest, clips, noise, report))
            chunks, clips = chunks + len(manifest.files), clips + len(np.unique(manifest.clip))
        train, val, test = splits
        return Raw(train, val, test)

    def augment(self, x: np.ndarray, y: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Paint up to two bands and two stretches of time over with the faintest level, in half of the samples.

        SpecAugment (Park et al. 2019, Interspeech) as released: the painting is by the spectrogram's least value.
        """
        draws = seeded.uniform(seeds, 2 + 4 * MASKS)
        masks = np.where(draws[:, 0] < MASKED, 1 + np.floor(draws[:, 1] * MASKS), 0)
        faint = x[..., :FRAMES].min((1, 2, 3), keepdims=True)
        for number, (width, place, length, begin) in enumerate(np.moveaxis(draws[:, 2:].reshape(-1, MASKS, 4), 0, 2)):
            bands = _stretch(logmel.BANDS, BANDS * width, place)[:, None, :, None]
            times = _stretch(FRAMES, TIMES * length, begin)[:, None, None, :]
            covered = (bands | times) & (number < masks)[:, None, None, None]
            np.copyto(x[..., :FRAMES], faint, where=covered)
        return x, y

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Seconds of audio (n, 22050) at 22.05 kHz, 16-bit integers or floats in [-1, 1]: (n, 1, 96, 102) float32."""
        raw = np.asarray(raw)
        if raw.ndim != 2 or raw.shape[1] != logmel.RATE or not (raw.dtype == np.int16 or raw.dtype.kind == "f"):
            raise RequestError(
                f"audio has shape {raw.shape} and type {raw.dtype}: give (n, 22050), 16-bit integers or floats"
            )
        audio = raw.astype(np.float32) / (32768 if raw.dtype == np.int16 else 1)
        if not (np.abs(audio) <= 1).all():
            raise RequestError("audio holds values outside [-1, 1]: scale it")
        return spectrograms(audio)

    def score(self, metric: Metric, predictions: np.ndarray, split: Split) -> float:
        """A metric over clips: a clip's logits are the mean of its seconds'."""
        starts = np.flatnonzero(np.diff(split.group, prepend=-1))
        sizes = np.diff(starts, append=len(split.group))
        logits = np.add.reduceat(predictions, starts, axis=0) / sizes[:, None]
        return float(metric.compute(logits, np.asarray(split.y[starts])))


TASK = Fsd50k()


def _stretch(size: int, shares: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Whether each of `size` positions lies in a stretch of the given share (B,), placed at random: (B, size)."""
    length = np.floor(shares * size)
    begin = np.floor(places * (size - length))
    positions = np.arange(size)
    return (positions >= begin[:, None]) & (positions < (begin + length)[:, None])
