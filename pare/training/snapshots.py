"""Snapshots of a run after a few epochs: small arrays for pictures of fixed samples.

All snapshots of all trials use the same validation samples, so that pictures can be compared, and none takes random
numbers from the run. The arrays are part of the epoch's report, under names that begin with `pictures/`.

Shapes: n samples, H × W pixels (1 × L of a sequence) of the first channel, on a grid of patches G × G' (1 × N).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pare.data.task import Split, Task
from pare.method.bodies.vision import ImageBody
from pare.method.objective import FineTuning, PatchReplacement
from pare.method.replacement import replace, select

SAMPLES = 3
_SIDE = 64
"""Largest side length of a picture in pixels; sequences keep their length."""

Arrays = dict[str, np.ndarray]


def due(epoch: int, epochs: int) -> bool:
    """Whether to take a snapshot after `epoch` (from 1) of `epochs`: the first, the one at about a third, the last."""
    return epoch in (1, round(epochs / 3), epochs)


class Inspector:
    """Takes snapshots of an objective on fixed samples of the target's and, if given, the source's validation split."""

    def __init__(self, task: Task, validation: Split, source: Task, source_validation: Split | None) -> None:
        self._task = task
        self._rows = _spread(validation)
        self._truth = np.array(validation.y[self._rows])
        self._classes = np.array(validation.y) if task.kind == "classification" else None
        self._x = _inputs(task, validation)
        self._source_x = None if source_validation is None else _inputs(source, source_validation)
        self._text = source.text

    def look(self, objective: FineTuning, k: int, predictions: np.ndarray) -> Arrays:
        """Return arrays by name for a model whose `predictions` for the whole validation split are given.

        All methods have `input` (n, H, W). Methods that replace patches also have `source` and, after k replacements,
        `mixed` (n, H, W), in which pixels represent embedded patches (NaN for text); the mask `replaced` (n, G, G');
        and the gate's `scores` (n, G, G') and `source_scores`. Dense tasks have `truth` and `prediction` (n, H, W).
        Classification has `confusion`: counts (true class, predicted class) over the split.
        """
        arrays = self._patches(objective, k) if isinstance(objective, PatchReplacement) else {"input": self._input()}
        if self._classes is not None:
            count = self._task.output_shape[0]
            pairs = self._classes * count + predictions.argmax(axis=1)
            arrays["confusion"] = np.bincount(pairs, minlength=count**2).reshape(count, count)
        elif self._task.kind == "dense":
            arrays |= self._fields(predictions[self._rows])
        return {f"pictures/{name}": _compact(array) for name, array in arrays.items()}

    def _input(self) -> np.ndarray:
        return _shrunk(_first_channel(self._x, len(self._task.spatial_shape)))

    def _fields(self, predictions: np.ndarray) -> Arrays:
        dimensions = len(self._task.spatial_shape)
        truth, prediction = (_first_channel(array, dimensions) for array in (self._truth, predictions))
        if np.isin(truth, (0, 1)).all():
            # The target is a mask, whose predictions are logits.
            prediction = 1 / (1 + np.exp(-prediction))
        return {"truth": _shrunk(truth), "prediction": _shrunk(prediction)}

    @torch.inference_mode()
    def _patches(self, objective: PatchReplacement, k: int) -> Arrays:
        if self._source_x is None:
            raise ValueError("an objective that replaces patches is looked at through samples of the source")
        device = objective.source_mean.device
        x, source_x = (torch.from_numpy(array).to(device) for array in (self._x, self._source_x))
        source_tokens, real = objective.embed_source(source_x)
        target_scores, source_scores = objective.scores(objective.model.embed(x), source_tokens)
        if objective.gate is None:
            # Without a gate, a fixed seed gives the same random selection in every snapshot.
            generator = torch.Generator().manual_seed(0)
            target_scores, source_scores = (
                torch.rand(part.shape, generator=generator).to(device) for part in (target_scores, source_scores)
            )
        threshold = objective.settings.threshold if objective.gate is not None else 0.0
        shared = torch.full((), k, device=device), threshold, real
        selection = select(target_scores, source_scores, target_scores, source_scores, *shared)
        body = objective.model.body
        if isinstance(body, ImageBody):
            grid = source_grid = body.grid
            cell = _cell(self._task.spatial_shape, grid)
        else:
            grid, source_grid = (1, target_scores.shape[1]), (1, source_scores.shape[1])
            # A patch has as many pixels as it covers in the target sample; source patches get the same number.
            cell = (1, self._task.spatial_shape[0] // grid[1])
        target_patches = _cut(x, grid, cell)
        source_patches = _cut(source_x * torch.nan if self._text else source_x, source_grid, cell)
        maps = {
            "input": _join(target_patches, grid, cell),
            "source": _join(source_patches, source_grid, cell),
            "mixed": _join(replace(target_patches, source_patches, selection), grid, cell),
            "replaced": selection.target_BN.unflatten(1, grid),
            "scores": target_scores.unflatten(1, grid),
            "source_scores": source_scores.unflatten(1, source_grid),
        }
        return {name: tensor.cpu().numpy() for name, tensor in maps.items()}


def _spread(split: Split) -> np.ndarray:
    """Return rows spread evenly over a split."""
    return np.linspace(0, len(split) - 1, SAMPLES).round().astype(int)


def _inputs(task: Task, split: Split) -> np.ndarray:
    return np.array(task.assemble(np.array(split.x[_spread(split)])), dtype=np.float32)


def _first_channel(array: np.ndarray, dimensions: int) -> np.ndarray:
    """Turn (n, …, H, W) or (n, …, L) into (n, H, W); a sequence becomes one row."""
    rows = 1 if dimensions == 1 else array.shape[-2]
    return array.reshape(len(array), -1, rows, array.shape[-1])[:, 0].astype(np.float32)


def _shrunk(maps: np.ndarray) -> np.ndarray:
    size = [min(side, _SIDE) for side in maps.shape[1:]] if maps.shape[1] > 1 else maps.shape[1:]
    return F.interpolate(torch.from_numpy(maps)[:, None], size=size, mode="area")[:, 0].numpy()


def _cell(spatial_shape: Sequence[int], grid: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of a patch in pixels: about those it covers in the sample."""
    height, width = (
        max(1, min(side // cells, _SIDE // cells)) for side, cells in zip(spatial_shape, grid, strict=True)
    )
    return height, width


def _cut(x: Tensor, grid: tuple[int, int], cell: tuple[int, int]) -> Tensor:
    """Cut the first channel of samples (n, C, …) into patches (n, N, pixels)."""
    image = x[:, :1] if x.dim() == 4 else x.reshape(len(x), -1, 1, x.shape[-1])[:, :1]
    size = [cells * side for cells, side in zip(grid, cell, strict=True)]
    return F.unfold(F.interpolate(image.float(), size=size, mode="area"), cell, stride=cell).transpose(1, 2)


def _join(patches: Tensor, grid: tuple[int, int], cell: tuple[int, int]) -> Tensor:
    """Join patches (n, N, pixels) to images (n, H, W), the inverse of `_cut`."""
    size = (grid[0] * cell[0], grid[1] * cell[1])
    return F.fold(patches.transpose(1, 2), size, cell, stride=cell)[:, 0]


def _compact(array: np.ndarray) -> np.ndarray:
    """Store measured values in half precision, which is enough for pictures, and counts in 32 bits."""
    if array.dtype.kind == "f":
        return array.clip(-6e4, 6e4).astype(np.float16)
    return array.astype(np.int32) if array.dtype.kind == "i" else array
