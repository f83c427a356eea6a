"""Source proxy for images and fields: 64 fractals to tell apart (after FractalDB, Kataoka et al. 2020)."""

from functools import cache
from typing import ClassVar

import numpy as np

from pare.sources.ifs import point_sets
from pare.sources.pictures import render
from pare.sources.proxy import Proxy
from pare.tasks.task import Recipe

_CLASSES = 64
_point_sets = cache(point_sets)


class Fractals(Proxy):
    """Iterated function systems (Anderson & Farrell 2021); inputs in [0, 1], stored and accepted as bytes too."""

    name = "fractals"
    title = "Fractal images by formula (64 classes)"
    version = 1
    shape = (3, 64, 64)
    outputs = (_CLASSES,)
    files = ("fractals.npz",)
    stored = np.uint8
    recipes: ClassVar = {
        "laptop": {"samples": 2048, "hardness": 0.5, "seed": 0},
        "paper": {"samples": 20480, "hardness": 0.5, "seed": 0},
    }

    def make(self, classes: np.ndarray, instances: np.ndarray, recipe: Recipe) -> np.ndarray:
        seed = int(recipe["seed"])
        sets = _point_sets(_CLASSES, seed=seed)
        images, _ = render(sets, classes, instances, size=self.shape[1], seed=seed, hardness=float(recipe["hardness"]))
        return np.asarray((images * 255 + 0.5).astype(self.stored))

    def encode(self, raw: np.ndarray) -> np.ndarray:
        x = super().encode(raw)
        return x / np.float32(255) if raw.dtype == np.uint8 else x

    def statistics(self, x: np.ndarray) -> dict[str, np.ndarray]:
        channels = x.reshape(len(x), self.channels, -1)
        mean, std = (f(axis=(0, 2), dtype=np.float64).astype(np.float32) for f in (channels.mean, channels.std))
        return {"input_mean": mean[:, None, None], "input_std": std[:, None, None]}


TASK = Fractals()
