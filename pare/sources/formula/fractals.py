"""Source proxy for images and fields: 64 fractals to tell apart (after FractalDB, Kataoka et al. 2020)."""

from functools import cache
from typing import ClassVar

import numpy as np

from pare.data.synthetic.ifs import point_sets
from pare.data.synthetic.render import render
from pare.data.task import Recipe
from pare.sources.formula.base import Proxy

CLASSES = 64
_point_sets = cache(point_sets)


class Fractals(Proxy):
    """Iterated function systems (Anderson & Farrell 2021); inputs in [0, 1], stored and accepted as bytes too."""

    name = "fractals"
    title = "Fractal images by formula (64 classes)"
    version = 1
    shape = (3, 64, 64)
    output_shape: ClassVar[tuple[int, ...]] = (CLASSES,)
    files = ("fractals.npz",)
    stored = np.uint8
    recipes: ClassVar = {
        "laptop": {"samples": 2048, "hardness": 0.5, "seed": 0},
        "paper": {"samples": 20480, "hardness": 0.5, "seed": 0},
    }

    def make(self, classes: np.ndarray, instances: np.ndarray, recipe: Recipe) -> np.ndarray:
        return self.pictures(classes, instances, recipe)[0]

    def pictures(self, classes: np.ndarray, instances: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
        """Images (n, *shape) of the stored type, and where each shows its fractal: masks (n, H, W) bool."""
        seed, hardness = int(recipe["seed"]), float(recipe["hardness"])
        sets = _point_sets(CLASSES, seed=seed)
        images, masks = render(sets, classes, instances, size=self.shape[1], seed=seed, hardness=hardness)
        return (images * 255 + 0.5).astype(self.stored), masks

    def encode(self, raw: np.ndarray) -> np.ndarray:
        x = super().encode(raw)
        return x / np.float32(255) if raw.dtype == np.uint8 else x

    def statistics(self, x: np.ndarray) -> dict[str, np.ndarray]:
        channels = x.reshape(len(x), self.channels, -1)
        mean, std = (f(axis=(0, 2), dtype=np.float64).astype(np.float32) for f in (channels.mean, channels.std))
        return {"input_mean": mean[:, None, None], "input_std": std[:, None, None]}


TASK = Fractals()
