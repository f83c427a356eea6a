"""PDEBench's own form of its tasks: the first ten frames of all fields in, those that follow out.

PDEBench applies its models to what they predicted, frame by frame; here one pass predicts all of them, so that errors
do not feed on themselves. The metric is PDEBench's: nRMSE over every predicted frame and field.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from pare.data.task import Baseline, Metric, Recipe, Split
from pare.tasks.pdebench.advection import CELLS, SPEED, Advection, shifted, transport
from pare.tasks.pdebench.base import OneFrame, field_nrmse, field_relative_l2
from pare.tasks.pdebench.diffusion_reaction_2d import SIDE, DiffusionReaction2D, evolved, filtered
from pare.tasks.pdebench.hdf5 import centres
from pare.tasks.pdebench.initial_conditions import waves

SEEN = 10
"""Frames that a model is given."""


class RollOut(OneFrame):
    """Frames at the first ten of `times` in, at the others out; fields of a frame are neighbouring channels."""

    metric = Metric("nRMSE of the roll-out", "minimize", field_nrmse)
    criterion = staticmethod(field_relative_l2)

    def pair(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y = frames[:, :SEEN], frames[:, SEEN:]
        return x.reshape(len(x), *self.shape), y.reshape(len(y), *self.output_shape)


class AdvectionRollOut(RollOut, Advection):
    """Advection, β = 0.4, at every fourth point and fifth frame, as PDEBench thins it: 10 frames in, 31 out."""

    name = "pde-advection-rollout"
    title = "Advection, roll-out (PDEBench)"
    times = tuple(np.round(np.arange(41) * 0.05, 2).tolist())
    shape = (SEEN, 256)
    output_shape = (len(times) - SEEN, 256)
    laptop: ClassVar[Mapping[str, Any]] = Advection.laptop

    def solve(self, rngs: Sequence[np.random.Generator], recipe: Recipe) -> np.ndarray:  # noqa: ARG002
        frames = [np.stack([waves(rng, centres(CELLS, self.domain)) for rng in rngs])]
        for step in np.diff(self.times):
            frames.append(transport(frames[-1], step))
        return np.stack(frames, axis=1)[:, :, None]

    def baseline(self, train: Split) -> Baseline:  # noqa: ARG002
        """The exact solution from the last frame seen."""
        later = np.array(self.times[SEEN:]) - self.times[SEEN - 1]
        return Baseline(
            "periodic shift", lambda x: np.stack([shifted(x[:, -1], SPEED * time) for time in later], axis=1)
        )


class DiffusionReaction2DRollOut(RollOut, DiffusionReaction2D):
    """Diffusion-reaction 2D, both fields: 10 frames until t = 0.45 in, 10 of the 91 that follow out, until t = 5."""

    name = "pde-diffusion-reaction-2d-rollout"
    title = "Diffusion-reaction 2D, roll-out (PDEBench)"
    times = (*np.round(np.arange(SEEN) * 0.05, 2).tolist(), *np.arange(0.5, 5.1, 0.5).tolist())
    shape = (2 * SEEN, SIDE, SIDE)
    output_shape = (2 * (len(times) - SEEN), SIDE, SIDE)
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "laptop": {"samples": 100, "seed": 0},
        "paper": {"samples": 1000, "seed": 0},
    }

    def solve(self, rngs: Sequence[np.random.Generator], recipe: Recipe) -> np.ndarray:  # noqa: ARG002
        start = np.stack([rng.standard_normal((2, SIDE, SIDE)) for rng in rngs])
        return np.concatenate([start[:, None], evolved(start, self.times[1:], 2 / SIDE)], axis=1)

    def baseline(self, train: Split) -> Baseline:
        """The best of all predictors that see the last frame, neither place nor direction, and are linear."""
        last = filtered(Split(train.x[:, -2:], train.y, train.group))
        return Baseline(f"{last.name} of the last frame", lambda x: last.predict(x[:, -2:]))


ADVECTION, DIFFUSION_REACTION_2D = AdvectionRollOut(), DiffusionReaction2DRollOut()
