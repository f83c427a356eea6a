"""Source proxy for sequences: 64 kinds of signals to tell apart, sixteen families of waveforms by four parameters."""

from typing import ClassVar

import numpy as np

from pare.data.synthetic.waveforms import class_names, render
from pare.data.task import Recipe
from pare.sources.formula.base import Proxy


class Signals(Proxy):
    """Tones, chirps, pulses, modulations, noises and events; each signal has mean 0 and variance 1."""

    name = "signals"
    title = "Signals by formula (64 classes)"
    version = 1
    shape = (1, 1000)
    labels = class_names()
    output_shape = (len(labels),)
    files = ("signals.npz",)
    stored = np.float16
    recipes: ClassVar = {
        "laptop": {"samples": 4096, "hardness": 0.5, "seed": 0},
        "paper": {"samples": 20480, "hardness": 0.5, "seed": 0},
    }

    def make(self, classes: np.ndarray, instances: np.ndarray, recipe: Recipe) -> np.ndarray:
        length, seed, hardness = self.shape[1], int(recipe["seed"]), float(recipe["hardness"])
        return render(classes, instances, length=length, seed=seed, hardness=hardness)[:, None].astype(self.stored)


TASK = Signals()
