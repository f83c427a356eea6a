"""Diffusion-reaction 2D of PDEBench with nothing hidden: both fields at the start in, both at t = 5 out."""

import numpy as np

from pare.data.task import Metric
from pare.tasks.pdebench.base import OneFrame, field_nrmse, field_relative_l2
from pare.tasks.pdebench.diffusion_reaction_2d import SIDE, DiffusionReaction2D


class DiffusionReaction2DFull(DiffusionReaction2D):
    """Diffusion-reaction 2D, both fields in and both out; no published figure is of it."""

    name = "pde-diffusion-reaction-2d-full"
    title = "Diffusion-reaction 2D, both fields (PDEBench)"
    shape = (2, SIDE, SIDE)
    output_shape = (2, SIDE, SIDE)
    metric = Metric("nRMSE", "minimize", field_nrmse)
    criterion = staticmethod(field_relative_l2)
    published = ()

    def pair(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return OneFrame.pair(self, frames)


TASK = DiffusionReaction2DFull()
