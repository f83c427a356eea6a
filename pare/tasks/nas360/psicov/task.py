"""Distances of a protein's residues from what its relatives' sequences tell: DeepCov to train on, PSICOV to test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pare.data import checks
from pare.data.task import Metric, ProgressCallback, Published, Raw, Recipe, Split, Task
from pare.errors import DataError, RequestError
from pare.losses import squared_error
from pare.tasks.nas360.psicov import simulator
from pare.tasks.nas360.psicov.proteins import CHANNELS, LONGEST, MAPS, PROFILES, SIDE, Proteins, place

if TYPE_CHECKING:
    from torch import Tensor

CLIP = 16.0
"""Å, beyond which training does not tell distances apart."""

FAR, NEAR = 24, 8.0
"""The pairs that count: at least so many residues apart in the sequence, and at most so many Å in space."""

LEAST = 0.01
"""Å, the smallest distance that a prediction is taken for."""

_HELD_OUT = 100
_NB360 = "NAS-Bench-360, published table of results"
_RECALLED = "arXiv 2406.09003, NAS-Bench-360 table, not checked against the paper"


def clipped_squared_error(predictions: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error within a map, targets beyond 16 Å counting as 16; both (B, 512, 512)."""
    return squared_error(predictions, targets.clamp(max=CLIP))


def mae_8(predictions: np.ndarray, targets: np.ndarray) -> float:
    """MAE₈ in Å: mean |p - y| over a protein's distant residues in contact, then over proteins that have some.

    Predictions (n, 512, 512) are made symmetric first. What is outside a protein is no contact, so that no length is
    needed; the released code took the first protein's for all.
    """
    rows, columns = np.triu_indices(SIDE, FAR)
    means = []
    for p, y in zip(predictions, targets, strict=True):
        distance, predicted = y[rows, columns], np.maximum((p + p.T)[rows, columns] / 2, LEAST)
        contact = distance <= NEAR
        if contact.any():
            means.append(np.abs(predicted - distance)[contact].mean(dtype=np.float64))
    return float(np.mean(means))


class Psicov(Task):
    """PSICOV of NAS-Bench-360 (Adhikari 2020, Sci. Rep. 10:13374): 57 maps of features in, distances in Å out.

    A split's x (n, 1564, 512) float16 holds a protein once, and `assemble` spreads it to its 57 maps: they would take
    200 GB. A protein of more than 502 residues is cut to its first 502, where the released code takes a random part.
    """

    name = "psicov"
    title = "PSICOV residue distances"
    kind = "dense"
    version = 1
    shape = (CHANNELS, SIDE, SIDE)
    output_shape = (SIDE, SIDE)
    metric = Metric("MAE₈", "minimize", mae_8, unit="Å")
    criterion = staticmethod(clipped_squared_error)
    files = ("protein.zip",)
    homepage = "NAS-Bench-360 (https://nb360.ml.cmu.edu), data set PSICOV"
    in_parts = True
    synthetic = "simulated"
    published = (
        Published("WRN", 3.84, _NB360, verified=True),
        Published("DenseNAS random", 3.70, _NB360, verified=True),
        Published("DenseNAS", 3.84, _NB360, verified=True),
        Published("Perceiver IO", 8.06, _NB360, verified=True),
        Published("WRN + ASHA", 3.84, _NB360, verified=True),
        Published("DARTS GAEA", 2.94, _NB360, verified=True),
        Published("Auto-DeepLab", 6.73, _NB360, verified=True),
        Published("hand-designed", 3.35, _RECALLED, verified=False),
        Published("DASH", 3.30, _RECALLED, verified=False),
        Published("FPT", 4.66, _RECALLED, verified=False),
        Published("NFT", 1.92, _RECALLED, verified=False),
        Published("ORCA", 1.91, _RECALLED, verified=False),
        Published("PaRe", 0.99, _RECALLED, verified=False),
        Published("MoNA", 0.99, _RECALLED, verified=False),
    )
    paper: ClassVar[Mapping[str, Any]] = {
        "epochs": 10,
        "body": "microsoft/swin-base-patch4-window7-224-in22k",
        "source": "voc2012",
        "mix_weight": 0.3,
        # Its own curriculum was never released; this is that of Darcy, the dense task most like it.
        "curriculum.family": "linear",
        "curriculum.start": 0.319,
        "curriculum.end": 0.16,
        "gate.noise_until": 1.0,  # 10 epochs of 10
        "optimizer.name": "adam",
        "optimizer.batch": 32,
        "optimizer.accumulate": 32,
        "optimizer.lr.embedder": 5e-6,
        "optimizer.lr.body": 5e-6,
        "optimizer.lr.gate": 5e-6,
        "optimizer.lr.heads": 5e-6,
        "optimizer.weight_decay": 1e-5,
        "optimizer.warmup": 0.5,  # 5 epochs of 10
        "optimizer.decay_until": 10.0,
    }
    laptop: ClassVar[Mapping[str, Any]] = {
        "epochs": 6,
        "body": "swin-mini",
        "source": "fractal-masks",
        "gate.noise_until": 0.5,
        "optimizer.batch": 2,
        "optimizer.accumulate": 1,
        "optimizer.lr.embedder": 1e-3,
        "optimizer.lr.body": 1e-3,
        "optimizer.lr.gate": 1e-3,
        "optimizer.lr.heads": 1e-3,
        "optimizer.warmup": 0.1,
        "optimizer.decay_until": 1.0,
    }
    # Longer than most proteins, so that the map of 512 is not mostly empty to a body of 64 pixels a side.
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "laptop": {"deepcov": 28, "psicov": 8, "shortest": 300, "longest": 480, "seed": 0}
    }

    def write_synthetic(self, folder: Path, recipe: Recipe, progress: ProgressCallback) -> None:
        """Simulate proteins of both sets, of lengths between the recipe's shortest and longest."""
        counts = {group: int(recipe[group]) for group in ("deepcov", "psicov")}
        lengths = int(recipe["shortest"]), int(recipe["longest"])
        simulator.write(folder / self.files[0], counts, lengths, int(recipe["seed"]), progress)

    def read(self, folder: Path, progress: ProgressCallback) -> Raw:
        """Read DeepCov, its first 100 proteins (of fewer than 1,000 an eighth) for validation, and PSICOV for test."""
        proteins = Proteins(folder, self.files[0])
        deepcov, psicov = proteins.ids("deepcov"), proteins.ids("psicov")
        cut = _HELD_OUT if len(deepcov) >= 10 * _HELD_OUT else max(1, len(deepcov) // 8)
        if len(deepcov) <= cut:
            raise DataError(f"{proteins.archive.path}: {len(deepcov)} proteins in deepcov.lst, expected 2 or more")
        total = len(deepcov) + len(psicov)
        statistics: dict[str, np.ndarray] = {}
        train = proteins.chunks("deepcov", deepcov[cut:], cut, lambda done: progress(done, total))
        val = proteins.chunks("deepcov", deepcov[:cut], 0, lambda done: progress(len(deepcov) - cut + done, total))
        test = proteins.chunks("psicov", psicov, len(deepcov), lambda done: progress(len(deepcov) + done, total))
        return Raw(_measured(train, statistics), val, test, statistics)

    def statistics_of(self, train: Split) -> dict[str, np.ndarray]:
        """Return mean and deviation of these proteins' input maps and distances."""
        statistics: dict[str, np.ndarray] = {}
        chunks = (Split(*(part[i : i + 8] for part in vars(train).values())) for i in range(0, len(train), 8))
        for _ in _measured(chunks, statistics):
            pass
        return statistics

    def assemble(self, x: np.ndarray) -> np.ndarray:
        """Maps (n, 57, 512, 512): each profile along the columns and along the rows, by turns, and the three maps."""
        x = x.astype(np.float32)
        profiles, there = x[:, len(MAPS) * SIDE : -1], x[:, -1]
        maps = np.empty((len(x), *self.shape), dtype=np.float32)
        np.multiply(profiles[:, :, None, :], there[:, None, :, None], out=maps[:, 0 : 2 * PROFILES : 2])
        np.multiply(profiles[:, :, :, None], there[:, None, None, :], out=maps[:, 1 : 2 * PROFILES : 2])
        maps[:, 2 * PROFILES :] = x[:, : len(MAPS) * SIDE].reshape(-1, len(MAPS), SIDE, SIDE)
        return maps

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Feature maps (n, 57, l, l) of proteins of l ≤ 502 residues, padded to (n, 57, 512, 512) float32.

        Their order: for each of 3 secondary structures, 22 of the sequence profile, accessibility and entropy, the map
        that changes along its columns and its transpose; then CCMpred, FreeContact and the contact potential.
        """
        raw = np.asarray(raw)
        if raw.ndim != 4 or raw.shape[1] != CHANNELS or raw.shape[2] != raw.shape[3] or raw.shape[2] > LONGEST:
            raise RequestError(f"feature maps have shape {raw.shape}: give (n, {CHANNELS}, l, l), l ≤ {LONGEST}")
        if not checks.is_sound(raw):
            raise RequestError(f"feature maps of type {raw.dtype} are not all finite numbers: give real numbers only")
        return self.assemble(place(raw[:, 2 * PROFILES :], raw[:, 0 : 2 * PROFILES : 2, 0]))

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """The mean of training distances, those beyond 16 Å counting as 16."""
        total = np.zeros(self.output_shape)
        for each in targets:
            total += np.minimum(each, CLIP)
        return (total / len(targets)).astype(np.float32)


TASK = Psicov()


def _measured(chunks: Iterator[Split], statistics: dict[str, np.ndarray]) -> Iterator[Split]:
    """The same chunks; what the model needs to know of them goes into `statistics` at the end.

    Mean and deviation of each input map, over what lies inside proteins, and of the clipped distances.
    """
    inputs, distances = np.zeros((3, CHANNELS)), np.zeros(3)
    for chunk in chunks:
        x, y = chunk.x.astype(np.float64), np.minimum(chunk.y, CLIP).astype(np.float64)
        profiles, maps = x[:, len(MAPS) * SIDE : -1], x[:, : len(MAPS) * SIDE].reshape(-1, len(MAPS), SIDE, SIDE)
        lengths = x[:, -1].sum(1)
        # Outside there are zeros, which add nothing to a sum.
        for power in range(3):
            inputs[power, : 2 * PROFILES] += np.repeat((profiles**power * x[:, -1:]).sum((0, 2)), 2)
            inputs[power, 2 * PROFILES :] += np.square(lengths).sum() if power == 0 else (maps**power).sum((0, 2, 3))
            distances[power] += (y**power).sum()
        yield chunk
    for name, sums in (("input", inputs[..., None, None]), ("output", distances)):
        mean = sums[1] / sums[0]
        deviation = np.sqrt(np.maximum(sums[2] / sums[0] - mean**2, 0))
        statistics[f"{name}_mean"] = mean.astype(np.float32)
        statistics[f"{name}_std"] = np.where(deviation > 0, deviation, 1).astype(np.float32)
