"""Source proxy for dense targets: segment the fractal in a picture of it."""

from typing import ClassVar

import numpy as np

from pare.data.task import Recipe
from pare.sources.formula import masks
from pare.sources.formula.fractals import CLASSES, Fractals


class FractalMasks(Fractals):
    """The pictures of `fractals`, each with its mask, which is 1 where a point of the fractal fell."""

    name = "fractal-masks"
    title = "Fractal images by formula (foreground)"
    kind = "dense"
    output_shape = Fractals.shape[1:]
    metric = masks.METRIC
    criterion = staticmethod(masks.cross_entropy)
    files: ClassVar = ("fractal-masks.npz",)

    def draw(self, instances: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
        return self.pictures(instances % CLASSES, instances, recipe)


TASK = FractalMasks()
